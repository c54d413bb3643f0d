import type { Connection, ServerSentEvent } from "@sluice/core";
import type { Facts } from "./facts.ts";
import { json, readJson, refusal, Refused } from "./mount.ts";
import type { Route } from "./mount.ts";
import type { LanguageModel } from "./ngram.ts";
import { ModelError } from "./openai.ts";

const LONGEST_PROMPT = 500;
const MOST_AT_ONCE = 16;
const MOST_REMEMBERED = 100;

/** What became of one answer, as the server knows it. */
interface Generation {
  state: "generating" | "finished" | "stopped" | "failed";
  tokens: number;
  readonly startedAt: number;
  /** How long it has been generating, once it no longer does, in ms. */
  took?: number;
}

/**
 * `POST /assistant` with `{ "prompt": "…" }` answers with a stream: `start`, a `token` for each, and `done` or `problem`.
 * `GET /assistant/:id` tells what became of it, so that the page can show that stopping has stopped the server.
 */
export function assistantRoutes(model: LanguageModel, facts: Facts): readonly Route[] {
  const generations = new Map<string, Generation>();

  async function* answer(prompt: string, { signal }: Connection): AsyncGenerator<ServerSentEvent> {
    const id = crypto.randomUUID();
    const generation: Generation = { state: "generating", tokens: 0, startedAt: performance.now() };
    generations.set(id, generation);
    forgetOldest(generations);
    try {
      yield { event: "start", data: { generation: id, model: model.name } };
      // The signal aborts when the client leaves, or the server drains: the model stops in the middle of a word.
      for await (const text of model.generate(prompt, signal)) {
        generation.tokens++;
        facts.tokensGenerated++;
        yield { event: "token", data: { text } };
      }
      conclude(generation, "finished");
      yield { event: "done", data: { tokens: generation.tokens, ms: generation.took } };
    } catch (error) {
      if (signal.aborted || !(error instanceof ModelError)) throw error;
      conclude(generation, "failed");
      yield { event: "problem", data: { message: error.message } };
    } finally {
      if (generation.state === "generating") conclude(generation, signal.aborted ? "stopped" : "failed");
    }
  }

  return [
    {
      method: "POST",
      path: "/assistant",
      options: {},
      async open({ request }) {
        const prompt = promptIn(await readJson(request, 16_384));
        const busy = [...generations.values()].filter(({ state }) => state === "generating").length;
        if (busy >= MOST_AT_ONCE) {
          return refusal(503, `${busy} answers are being written already. Try again in a moment.`);
        }
        return (connection) => answer(prompt, connection);
      },
    },
    {
      method: "GET",
      path: "/assistant/:id",
      answer({ params }) {
        const generation = generations.get(params["id"] ?? "");
        if (generation === undefined) return refusal(404, "There is no such answer.");
        return json({ state: generation.state, tokens: generation.tokens, ms: generation.took });
      },
    },
  ];
}

function conclude(generation: Generation, state: Generation["state"]): void {
  generation.state = state;
  generation.took = Math.round(performance.now() - generation.startedAt);
}

function forgetOldest(generations: Map<string, Generation>): void {
  for (const [id, { state }] of generations) {
    if (generations.size <= MOST_REMEMBERED) return;
    if (state !== "generating") generations.delete(id);
  }
}

/** @throws {Refused} with 400 where there is none */
function promptIn(body: unknown): string {
  const prompt = typeof body === "object" && body !== null && "prompt" in body ? body.prompt : undefined;
  if (typeof prompt !== "string" || prompt.trim() === "") {
    throw new Refused(400, 'Send JSON with a prompt, such as {"prompt": "What is pride?"}.');
  }
  if (prompt.length > LONGEST_PROMPT) {
    throw new Refused(400, `The prompt has ${prompt.length} characters; ${LONGEST_PROMPT} are the most.`);
  }
  return prompt;
}
