import { SluiceError } from "@sluice/core";
import type { EventStore, Retention, Slice, SluiceErrorCode } from "@sluice/core";

/** What a store's Durable Object is asked to do. */
export type Call =
  | Asked<"append">
  | Asked<"read">
  | Asked<"tails">
  | Asked<"drop">
  | { readonly method: "watch"; readonly args: readonly [channel: string] }
  // Behind the store's back.
  | { readonly method: "wipe"; readonly args: readonly [] }
  | { readonly method: "loseTail"; readonly args: readonly [channel: string, count: number] }
  | { readonly method: "stepClock"; readonly args: readonly [ms: number] };

interface Asked<Method extends "append" | "read" | "tails" | "drop"> {
  readonly method: Method;
  readonly args: Parameters<EventStore[Method]>;
}

/** With which options the object is to make its store. */
export interface Options {
  readonly retention?: Retention | undefined;
  readonly maxIdle?: number | undefined;
  readonly maxProducers?: number | undefined;
  readonly maxClosed?: number | undefined;
}

/** The store in a Durable Object, as `workers/store.ts` serves it: an object for each world. */
export class RemoteStore implements EventStore {
  readonly durability = "sync";
  readonly #url: string;
  readonly #options: Options;
  readonly #closing = new AbortController();

  constructor(url: string, options: Options) {
    this.#url = url;
    this.#options = options;
  }

  append(...[channel, events, options = {}]: Parameters<EventStore["append"]>): ReturnType<EventStore["append"]> {
    return this.call({ method: "append", args: [channel, events, options] }) as ReturnType<EventStore["append"]>;
  }

  async read(...[channel, after, options]: Parameters<EventStore["read"]>): Promise<Slice> {
    const { signal, ...limits } = options ?? {};
    signal?.throwIfAborted();
    return (await this.call({ method: "read", args: [channel, after, limits] })) as Slice;
  }

  tails(...args: Parameters<EventStore["tails"]>): ReturnType<EventStore["tails"]> {
    return this.call({ method: "tails", args }) as ReturnType<EventStore["tails"]>;
  }

  drop(...args: Parameters<EventStore["drop"]>): Promise<void> {
    return this.call({ method: "drop", args }) as Promise<void>;
  }

  async watch(channel: string, ring: (hint?: Slice) => void, signal: AbortSignal): Promise<void> {
    const leaving = AbortSignal.any([signal, this.#closing.signal]);
    if (leaving.aborted) return;
    await new Promise<void>((resolve, reject) => {
      void this.#listen(channel, ring, leaving, resolve).catch(reject);
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
  }

  async call(call: Call): Promise<unknown> {
    const response = await this.#fetch(call, this.#closing.signal);
    const answer = (await response.json().catch(unavailable)) as {
      readonly result?: unknown;
      readonly code?: SluiceErrorCode;
      readonly message?: string;
    };
    if (answer.code !== undefined) throw new SluiceError(answer.code, answer.message ?? "");
    return answer.result;
  }

  /** Listens again when the line breaks, and rings then: who knows what was missed. */
  async #listen(channel: string, ring: (hint?: Slice) => void, signal: AbortSignal, ready: () => void): Promise<void> {
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        for await (const line of linesOf(await this.#fetch({ method: "watch", args: [channel] }, signal))) {
          const told = JSON.parse(line) as "watching" | { readonly hint?: Slice };
          if (told !== "watching") ring(told.hint);
          else if (failures === 0) ready();
          else ring();
        }
      } catch (error) {
        if (failures === 0 && !signal.aborted) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    ready();
  }

  async #fetch(call: Call, signal: AbortSignal): Promise<Response> {
    const body = JSON.stringify({ call, options: this.#options });
    const response = await fetch(this.#url, { method: "POST", body, signal }).catch(unavailable);
    if (!response.ok) unavailable(await response.text());
    return response;
  }
}

async function* linesOf({ body }: Response): AsyncGenerator<string, void, undefined> {
  let begun = "";
  for await (const text of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const lines = (begun + text).split("\n");
    begun = lines.pop() ?? "";
    yield* lines;
  }
}

function unavailable(cause: unknown): never {
  throw new SluiceError("unavailable", "Cannot reach the Durable Object", { cause });
}
