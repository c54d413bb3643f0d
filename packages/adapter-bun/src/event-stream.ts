import { createResponder, isFetchRequest, refuseCall, respondWithStream } from "@sluice/core";
import type { EventStreamOptions, Source } from "@sluice/core";

/** What is known of the server that Bun passes to a handler where no type says more: every `Bun.Server` is one. */
export interface BunServer {
  /** Sets the idle limit of one request's connection, in seconds; 0 for none. */
  timeout(request: Request, seconds: number): void;
  /** The address of a request's client; null where it has gone. */
  requestIP(request: Request): { readonly address: string; readonly family: string; readonly port: number } | null;
}

/** `connection.native` in Bun. */
export interface BunNative<Server extends BunServer = BunServer, BunRequest extends Request = Request> {
  readonly request: BunRequest;
  readonly server: Server;
}

/**
 * Makes a handler that answers with an event stream: the `fetch` of `Bun.serve`, or one of its `routes`. The server's
 * idle limit (10 seconds by default) does not end its streams, and holds for everything else.
 *
 * @param source as for `eventStream` of `@sluice/core`
 * @param options as for `eventStream` of `@sluice/core`
 * @throws {SluiceError} at once, `invalid-source` or `invalid-option`
 *
 * @example
 * ```ts
 * import { eventStream } from "@sluice/adapter-bun";
 *
 * const options = {
 *   routes: {
 *     "/hello": eventStream(() => [{ data: "hello" }]),
 *   },
 * };
 *
 * // What Bun does with `Bun.serve(options)`.
 * const request = new Request("http://localhost/hello", { method: "POST" });
 * const response = await options.routes["/hello"](request, { timeout: () => {}, requestIP: () => null });
 * console.assert((await response.text()).includes("data: hello\n\n"));
 * ```
 */
export function eventStream<Server extends BunServer = BunServer, BunRequest extends Request = Request>(
  source: Source<BunNative<Server, BunRequest>>,
  options: EventStreamOptions<BunNative<Server, BunRequest>> = {},
): (request: BunRequest, server: Server) => Promise<Response> {
  const responder = createResponder(source, options);
  return (request, server, ...others: unknown[]) => {
    if (!isFetchRequest(request) || typeof (server as BunServer | undefined)?.timeout !== "function") {
      return refuseCall({ from: "@sluice/adapter-bun", takes: "(request, server)" }, [request, server, ...others]);
    }
    if (!responder.passesOn(request)) server.timeout(request, 0);
    const native = { request, server };
    const { response } = respondWithStream(responder, request, native, {
      signal: request.signal,
      onEnd: () => server.timeout(request, KEPT_ALIVE),
      onAbort: () => server.timeout(request, CUT_OFF),
    });
    return response;
  };
}

/** In seconds: Bun's default. Without a limit again, a connection that its client keeps alive would never be closed. */
const KEPT_ALIVE = 10;

/** In seconds. A body that fails does not close a socket whose client takes nothing; the least limit does. */
const CUT_OFF = 1;
