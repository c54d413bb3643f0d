import { decodeEventStream } from "@sluice/core";
import type { LanguageModel } from "./ngram.ts";

export interface OpenAiOptions {
  /** Where `/chat/completions` is, such as `https://api.openai.com/v1`. */
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly model: string;
}

/** Why there is no answer, in words that a visitor may read: neither the key nor what the endpoint said is in it. */
export class ModelError extends Error {
  override readonly name = "ModelError";
}

/** The longest that one answer may take, in ms. */
const DEADLINE = 120_000;

/** Any endpoint that speaks OpenAI's chat completions, its stream read by Sluice's decoder. */
export function createOpenAiModel({ baseUrl, apiKey, model }: OpenAiOptions): LanguageModel {
  const url = `${baseUrl.replace(/\/+$/, "")}/chat/completions`;
  return {
    name: model,
    async *generate(prompt, signal) {
      const deadline = AbortSignal.timeout(DEADLINE);
      const stop = AbortSignal.any([signal, deadline]);
      try {
        const response = await fetch(url, {
          method: "POST",
          headers: {
            "Content-Type": "application/json",
            Accept: "text/event-stream",
            Authorization: `Bearer ${apiKey}`,
          },
          body: JSON.stringify({ model, stream: true, messages: [{ role: "user", content: prompt }] }),
          signal: stop,
        });
        if (!response.ok) {
          await response.body?.cancel();
          throw new ModelError(refusal(response.status));
        }
        // Leaving the loop, whichever way, cancels the request: the endpoint stops too.
        const events = decodeEventStream<unknown>(response, { parse: JSON.parse, sentinel: "[DONE]", signal: stop });
        for await (const { data } of events) {
          const text = textOf(data);
          if (text !== "") yield text;
        }
      } catch (error) {
        if (signal.aborted || error instanceof ModelError) throw error;
        if (deadline.aborted) throw new ModelError("The model took too long to answer.");
        throw new ModelError("The model cannot be reached, or does not answer with an event stream.", { cause: error });
      }
    },
  };
}

function refusal(status: number): string {
  if (status === 401 || status === 403) return `The model's endpoint does not accept the key (status ${status}).`;
  if (status === 404) return "The model's endpoint does not know this address or model (status 404).";
  if (status === 429) return "The model's endpoint has had too many requests (status 429). Try again in a moment.";
  return `The model's endpoint answered with status ${status}.`;
}

/** The new text in one chunk: `{ choices: [{ delta: { content } }] }`, of which everything may be missing. */
function textOf(chunk: unknown): string {
  if (!isRecord(chunk)) return "";
  if (chunk["error"] !== undefined) throw new ModelError("The model's endpoint broke the answer off with an error.");
  const choice: unknown = Array.isArray(chunk["choices"]) ? chunk["choices"][0] : undefined;
  const delta = isRecord(choice) ? choice["delta"] : undefined;
  const content = isRecord(delta) ? delta["content"] : undefined;
  return typeof content === "string" ? content : "";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
