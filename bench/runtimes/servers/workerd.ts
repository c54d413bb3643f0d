// In a Durable Object, to which the Worker forwards all requests: a Worker's own requests may not write to one another.
import { eventStream } from "@sluice/adapter-edge/cloudflare";
import type { InvocationContext } from "@sluice/adapter-edge/cloudflare";
import { commandsOf, ours, rawStreams } from "../contender.ts";

interface Env {
  readonly CONTENDER: string;
  readonly EVENT_BYTES: string;
  readonly CHANNELS: {
    idFromName(name: string): object;
    get(id: object): { fetch(request: Request): Promise<Response> };
  };
}

export class BenchObject {
  readonly #ctx: InvocationContext;
  readonly #contender;
  readonly #command;

  constructor(ctx: InvocationContext, { CONTENDER, EVENT_BYTES }: Env) {
    this.#ctx = ctx;
    this.#contender = CONTENDER === "ours" ? ours(eventStream) : rawStreams();
    this.#command = commandsOf(this.#contender, Number(EVENT_BYTES));
  }

  async fetch(request: Request): Promise<Response> {
    if (new URL(request.url).pathname === "/") return this.#contender.stream(request, undefined, this.#ctx);
    return new Response(await this.#command(request.url));
  }
}

export default {
  fetch: (request: Request, { CHANNELS }: Env): Promise<Response> =>
    CHANNELS.get(CHANNELS.idFromName("bench")).fetch(request),
};
