import { randomUUID } from "node:crypto";
import { eventStream } from "@sluice/adapter-express";
import type { ExpressNative } from "@sluice/adapter-express";
import type { Connection, ServerSentEvent } from "@sluice/core";
import { json, Router } from "express";
import type { RequestHandler } from "express";
import { explainBadBody } from "./bad-body.ts";
import { whileOpen } from "./facts.ts";
import type { Facts } from "./facts.ts";
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
export function assistantRouter(model: LanguageModel, facts: Facts, shutdown: AbortSignal): Router {
  const generations = new Map<string, Generation>();

  async function* answer({ native, signal }: Connection<ExpressNative>): AsyncGenerator<ServerSentEvent> {
    const { prompt } = native.req.body as { prompt: string };
    const id = randomUUID();
    const generation: Generation = { state: "generating", tokens: 0, startedAt: performance.now() };
    generations.set(id, generation);
    forgetOldest(generations);
    try {
      yield { event: "start", data: { generation: id, model: model.name } };
      // The signal aborts when the client leaves: the model stops in the middle of a word.
      for await (const text of model.generate(prompt, AbortSignal.any([signal, shutdown]))) {
        generation.tokens++;
        facts.tokensGenerated++;
        yield { event: "token", data: { text } };
      }
      conclude(generation, "finished");
      yield { event: "done", data: { tokens: generation.tokens, ms: generation.took } };
    } catch (error) {
      if (signal.aborted || !(error instanceof ModelError || shutdown.aborted)) throw error;
      conclude(generation, "failed");
      const message = error instanceof ModelError ? error.message : "The server is shutting down.";
      yield { event: "problem", data: { message } };
    } finally {
      if (generation.state === "generating") conclude(generation, signal.aborted ? "stopped" : "failed");
    }
  }

  const hasRoom: RequestHandler = (_req, res, next) => {
    const busy = [...generations.values()].filter(({ state }) => state === "generating").length;
    if (busy < MOST_AT_ONCE) return next();
    res.status(503).json({ error: `${busy} answers are being written already. Try again in a moment.` });
  };

  const router = Router();
  router.post(
    "/",
    json({ limit: "16kb" }),
    explainBadBody,
    checkPrompt,
    hasRoom,
    eventStream((connection) => {
      whileOpen(facts, connection);
      return answer(connection);
    }),
  );
  router.get("/:id", (req, res) => {
    const generation = generations.get(req.params.id);
    if (generation === undefined) return void res.status(404).json({ error: "There is no such answer." });
    res.json({ state: generation.state, tokens: generation.tokens, ms: generation.took });
  });
  return router;
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

const checkPrompt: RequestHandler = (req, res, next) => {
  const body: unknown = req.body;
  const prompt = typeof body === "object" && body !== null && "prompt" in body ? body.prompt : undefined;
  if (typeof prompt !== "string" || prompt.trim() === "") {
    return void res.status(400).json({ error: 'Send JSON with a prompt, such as {"prompt": "What is pride?"}.' });
  }
  if (prompt.length > LONGEST_PROMPT) {
    return void res
      .status(400)
      .json({ error: `The prompt has ${prompt.length} characters; ${LONGEST_PROMPT} are the most.` });
  }
  next();
};
