import { eventStream } from "@sluice/core";
import type { RequestHandler } from "@sveltejs/kit";
import { modelAnswer } from "../../lib/server/model.ts";

const answer = eventStream(async function* ({ native, signal }) {
  const { question } = (await native.request.json()) as { question: string };
  for await (const token of modelAnswer(question, signal)) yield { data: { token } };
});

export const POST: RequestHandler = ({ request }) => answer(request);
