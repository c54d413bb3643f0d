import { createResponder, isFetchRequest, refuseCall, respondWithStream } from "@sluice/core";
import type { EventStreamOptions, Source } from "@sluice/core";

/** What the adapter uses of an invocation's `ctx`: an `ExecutionContext`, or the `ctx` of a Durable Object. */
export interface InvocationContext {
  waitUntil(promise: Promise<unknown>): void;
}

/** `connection.native` in a Worker and in a Durable Object. */
export interface CloudflareNative<Env = unknown, Context extends InvocationContext = InvocationContext> {
  readonly request: Request;
  readonly env: Env;
  readonly ctx: Context;
}

/**
 * Makes a handler that answers with an event stream: the `fetch` of a Worker, or what the `fetch` of a Durable Object
 * calls with its own `env` and `ctx`. It may be made at the top of a module. No compatibility flag is needed; with
 * `enable_request_signal` a client that resets its connection is noticed at once.
 *
 * The invocation is kept alive with `ctx.waitUntil` until the source has stopped, `finally` and all: without it, the
 * platform drops the invocation together with its client.
 *
 * @param source as for `eventStream` of `@sluice/core`. A channel has to be of a hub in a Durable Object: a Worker's
 * requests may not wait for one another
 * @param options as for `eventStream` of `@sluice/core`
 * @throws {SluiceError} at once, `invalid-source` or `invalid-option`
 *
 * @example
 * ```ts
 * import { eventStream } from "@sluice/adapter-edge/cloudflare";
 *
 * interface Env {
 *   readonly GREETING: string;
 * }
 *
 * const worker = {
 *   fetch: eventStream<Env>(async function* ({ native }) {
 *     yield { event: "greeting", data: native.env.GREETING };
 *   }),
 * };
 *
 * // What the platform does with `export default worker`.
 * const request = new Request("https://example.com/", { method: "POST" });
 * const response = await worker.fetch(request, { GREETING: "hello" }, { waitUntil: () => {} });
 * console.assert((await response.text()).includes("event: greeting\ndata: hello\n\n"));
 * ```
 */
export function eventStream<Env = unknown, Context extends InvocationContext = InvocationContext>(
  source: Source<CloudflareNative<Env, Context>>,
  options: EventStreamOptions<CloudflareNative<Env, Context>> = {},
): (request: Request, env: Env, ctx: Context) => Promise<Response> {
  const responder = createResponder(source, options);
  return (request, env, ctx) => {
    if (!isFetchRequest(request) || typeof (ctx as InvocationContext | undefined)?.waitUntil !== "function") {
      return refuseCall({ from: "@sluice/adapter-edge/cloudflare", takes: "(request, env, ctx)" }, [request, env, ctx]);
    }
    const native = { request, env, ctx };
    const { response, done } = respondWithStream(responder, request, native, { signal: request.signal });
    ctx.waitUntil(done);
    return response;
  };
}
