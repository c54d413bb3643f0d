// A channel in a Durable Object, which is published to over HTTP and evicted when told to.
import { eventStream } from "@sluice/adapter-edge/cloudflare";
import { createHub } from "@sluice/core";
import type { Producer } from "@sluice/core";
import { durableObjectStore } from "@sluice/store-durable-object";
import type { Env, ObjectContext } from "./platform.ts";

const retry = [1, 100] as const;

/** An object that fails while a request is under way fails the request: its client is told to come back, and does. */
const comeBack = eventStream(() => [], { whenDone: "reconnect", retry });

export class ChannelObject {
  readonly #ctx: ObjectContext;
  readonly #instance = crypto.randomUUID();
  readonly #channel;
  readonly #stream;

  constructor(ctx: ObjectContext) {
    this.#ctx = ctx;
    const store = durableObjectStore({ storage: ctx.storage, retention: { maxEvents: 1_000_000 } });
    this.#channel = createHub({ store }).channel("events");
    this.#stream = eventStream(this.#channel, { start: "origin", retry });
  }

  async fetch(request: Request): Promise<Response> {
    switch (new URL(request.url).pathname) {
      case "/publish": {
        const { data, producer } = (await request.json()) as { data: string; producer: Producer };
        return Response.json(await this.#channel.publish({ data }, { producer }));
      }
      case "/instance":
        return Response.json(this.#instance);
      case "/evict":
        this.#ctx.abort("evicted by the test");
    }
    return this.#stream(request, undefined, this.#ctx);
  }
}

export default {
  async fetch(request: Request, { OBJECTS }: Env, ctx: ObjectContext): Promise<Response> {
    try {
      return await OBJECTS.get(OBJECTS.idFromName("channel")).fetch(request);
    } catch (error) {
      if (request.headers.get("Accept") !== "text/event-stream") throw error;
      return comeBack(request, undefined, ctx);
    }
  },
};
