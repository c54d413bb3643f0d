import { eventStream } from "@sluice/core";
import type { RequestHandler } from "@sveltejs/kit";
import { modelAnswer } from "../../lib/server/model.ts";

export const POST: RequestHandler = async ({ request }) => {
  const { question } = (await request.json()) as { question: string };
  const answer = eventStream(async function* ({ signal }) {
    for await (const token of modelAnswer(question, signal)) yield { data: { token } };
  });
  return answer(request);
};
