// The fixtures in a Durable Object, to which the Worker forwards all requests.
import { eventStream } from "@sluice/adapter-edge/cloudflare";
import { createFixtures } from "@sluice/testkit/fixtures";
import type { Env, ObjectContext } from "./platform.ts";

export class AdapterObject {
  readonly #ctx: ObjectContext;
  readonly #fixtures = createFixtures(eventStream, (_, json) => new Response(json));

  constructor(ctx: ObjectContext) {
    this.#ctx = ctx;
  }

  async fetch(request: Request): Promise<Response> {
    const handler = this.#fixtures.handlerFor(request.url);
    return handler?.(request, undefined, this.#ctx) ?? new Response(null, { status: 404 });
  }
}

export default {
  fetch: (request: Request, { OBJECTS }: Env): Promise<Response> =>
    OBJECTS.get(OBJECTS.idFromName("fixtures")).fetch(request),
};
