// Checked by the compiler alone: what a source finds in `native` is what Cloudflare passes, with its own types.
import { eventStream } from "@sluice/adapter-edge/cloudflare";
import type { InvocationContext } from "@sluice/adapter-edge/cloudflare";
import { DurableObject } from "cloudflare:workers";

interface Env {
  readonly GREETING: string;
}

export default {
  fetch: eventStream<Env, ExecutionContext>(({ native: { request, env, ctx } }) => {
    ctx.passThroughOnException();
    return [{ event: env.GREETING, data: request.cf?.colo }];
  }),
} satisfies ExportedHandler<Env>;

export class Streaming extends DurableObject<Env> {
  readonly #stream = eventStream<Env, DurableObjectState>(({ native: { env, ctx } }) => [
    { event: env.GREETING, data: ctx.id.name },
  ]);

  override fetch(request: Request): Promise<Response> {
    return this.#stream(request, this.env, this.ctx);
  }
}

/** What a source is given for `ctx` where it does not say. */
export const contexts = (worker: ExecutionContext, object: DurableObjectState): InvocationContext[] => [worker, object];
