import { eventStream } from "@sluice/core";
import { modelAnswer } from "./model.ts";

export const POST = eventStream(async function* ({ native, signal }) {
  const { question } = (await native.request.json()) as { question: string };
  for await (const token of modelAnswer(question, signal)) yield { data: { token } };
});
