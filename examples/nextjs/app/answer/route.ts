import { eventStream } from "@sluice/core";
import { modelAnswer } from "./model.ts";

export async function POST(request: Request): Promise<Response> {
  const { question } = (await request.json()) as { question: string };
  const answer = eventStream(async function* ({ signal }) {
    for await (const token of modelAnswer(question, signal)) yield { data: { token } };
  });
  return answer(request);
}
