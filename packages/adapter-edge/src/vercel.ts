import { createResponder, isFetchRequest, refuseCall, respondWithStream } from "@sluice/core";
import type { EventStreamOptions, Source } from "@sluice/core";

/** `connection.native` in Vercel's Edge runtime. */
export interface VercelNative {
  readonly request: Request;
}

/**
 * Makes a handler that answers with an event stream, for Vercel's Edge runtime: a route's `GET` and `POST`, or the default
 * export of a function. It may be made at the top of a module.
 *
 * @param source as for `eventStream` of `@sluice/core`
 * @param options as for `eventStream` of `@sluice/core`
 * @throws {SluiceError} at once, `invalid-source` or `invalid-option`
 *
 * @example
 * ```ts
 * import { eventStream } from "@sluice/adapter-edge/vercel";
 *
 * const config = { runtime: "edge" };
 * const GET = eventStream(async function* ({ url }) {
 *   yield { event: "greeting", data: `hello, ${url.searchParams.get("name")}` };
 * });
 *
 * // What the platform does with `export { config, GET }`.
 * const response = await GET(new Request("https://example.com/api/greeting?name=Ada"));
 * console.assert(config.runtime === "edge" && (await response.text()).includes("data: hello, Ada\n\n"));
 * ```
 */
export function eventStream(
  source: Source<VercelNative>,
  options: EventStreamOptions<VercelNative> = {},
): (request: Request) => Promise<Response> {
  const responder = createResponder(source, options);
  return (request, ...others: unknown[]) => {
    if (!isFetchRequest(request)) {
      return refuseCall({ from: "@sluice/adapter-edge/vercel", takes: "a Request" }, [request, ...others]);
    }
    const { response, done } = respondWithStream(responder, request, { request }, { signal: request.signal });
    keepAlive(done);
    return response;
  };
}

/** What the platform says of the request that is running, where there is a platform. */
interface RequestContext {
  readonly waitUntil?: ((promise: Promise<unknown>) => void) | undefined;
}

/** So that the source can clean up when its client has gone. This is what `waitUntil` of `@vercel/functions` does. */
function keepAlive(promise: Promise<unknown>): void {
  const scope = globalThis as { [context]?: { readonly get?: () => RequestContext | undefined } };
  scope[context]?.get?.()?.waitUntil?.(promise);
}

const context: unique symbol = Symbol.for("@vercel/request-context") as typeof context;
