// A Durable Object whose store is used from outside, so that the laws can be tried on it, and workerd killed meanwhile.
import { SluiceError } from "@sluice/core";
import type { EventStore } from "@sluice/core";
import { durableObjectStore } from "@sluice/store-durable-object";
import type { Call, Options } from "../remote-store.ts";
import type { Env, ObjectContext } from "./platform.ts";

export class StoreObject {
  readonly #storage: ObjectContext["storage"];
  #store: EventStore | undefined = undefined;

  constructor(ctx: ObjectContext) {
    this.#storage = ctx.storage;
  }

  async fetch(request: Request): Promise<Response> {
    const { call, options } = (await request.json()) as { call: Call; options: Options };
    const store = (this.#store ??= durableObjectStore({ storage: this.#storage, ...options }));
    try {
      return call.method === "watch"
        ? await watched(store, ...call.args)
        : Response.json({ result: await this.#answer(store, call) });
    } catch (error) {
      if (error instanceof SluiceError)
        return Response.json({ code: error.code, message: `${error.message}: ${String(error.cause)}` });
      throw error;
    }
  }

  #answer(store: EventStore, call: Exclude<Call, { method: "watch" }>): Promise<unknown> {
    switch (call.method) {
      case "append":
        return store.append(...call.args);
      case "read":
        return store.read(...call.args);
      case "tails":
        return store.tails(...call.args);
      case "drop":
        return store.drop(...call.args);
      case "wipe":
        return this.#storage.deleteAll();
      case "loseTail":
        return this.#loseTail(...call.args);
      case "stepClock":
        return stepClock(...call.args);
    }
  }

  async #loseTail(channel: string, count: number): Promise<void> {
    const { sql } = this.#storage;
    const log = "epoch = (SELECT epoch FROM sluice_logs WHERE channel = ?1)";
    sql.exec(
      `DELETE FROM sluice_events WHERE ${log} AND seq > (SELECT tail_seq FROM sluice_logs WHERE channel = ?1) - ?2`,
      channel,
      count,
    );
    sql.exec(
      `UPDATE sluice_logs SET (tail_seq, tail_tag) =
         (SELECT seq, tag FROM sluice_events WHERE ${log} ORDER BY seq DESC LIMIT 1) WHERE channel = ?1`,
      channel,
    );
  }
}

/** One line when the bell is in place, and one for each ring. */
async function watched(store: EventStore, channel: string): Promise<Response> {
  const leaving = new AbortController();
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({
    start: (given) => {
      controller = given;
    },
    cancel: () => leaving.abort(),
  });
  const say = (line: unknown): void => controller.enqueue(new TextEncoder().encode(`${JSON.stringify(line)}\n`));
  await store.watch(channel, (hint) => say({ hint }), leaving.signal);
  say("watching");
  return new Response(body);
}

const realNow = Date.now;
let stepped = 0;

async function stepClock(ms: number): Promise<void> {
  stepped += ms;
  Date.now = () => realNow() + stepped;
}

export default {
  fetch: (request: Request, { OBJECTS }: Env): Promise<Response> =>
    OBJECTS.get(OBJECTS.idFromName(new URL(request.url).pathname)).fetch(request),
};
