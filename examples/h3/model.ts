import { setTimeout } from "node:timers/promises";

/** Stands in for a model: says the question again, a word every 50 ms, until nobody listens. */
export async function* modelAnswer(question: string, signal: AbortSignal): AsyncGenerator<string> {
  try {
    for (const word of question.split(" ")) {
      yield word;
      await setTimeout(50, undefined, { signal });
    }
  } finally {
    console.log(signal.aborted ? "The model was stopped" : "The model has finished");
  }
}
