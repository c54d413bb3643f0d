import { createResponder, isFetchRequest, refuseCall, respondWithStream } from "@sluice/core";
import type { EventStreamOptions, Source } from "@sluice/core";

/** What the adapter uses of what Deno passes to a handler beside the request: every `Deno.ServeHandlerInfo` is one. */
export interface DenoInfo {
  /** Settles when the response has been sent, or cannot be sent any more. */
  readonly completed: Promise<void>;
}

/** `connection.native` in Deno. */
export interface DenoNative<Info extends DenoInfo = DenoInfo> {
  readonly request: Request;
  readonly info: Info;
}

/**
 * Makes a handler that answers with an event stream: for `Deno.serve`, or as the `fetch` of what `deno serve` runs.
 *
 * @param source as for `eventStream` of `@sluice/core`
 * @param options as for `eventStream` of `@sluice/core`
 * @throws {SluiceError} at once, `invalid-source` or `invalid-option`
 *
 * @example
 * ```ts
 * import { eventStream } from "@sluice/adapter-deno";
 *
 * const handler = eventStream(() => [{ data: "hello" }]);
 *
 * // What Deno does with `Deno.serve(handler)`.
 * const info = { completed: new Promise<void>(() => {}) };
 * const response = await handler(new Request("http://localhost/", { method: "POST" }), info);
 * console.assert((await response.text()).includes("data: hello\n\n"));
 * ```
 */
export function eventStream<Info extends DenoInfo = DenoInfo>(
  source: Source<DenoNative<Info>>,
  options: EventStreamOptions<DenoNative<Info>> = {},
): (request: Request, info: Info) => Promise<Response> {
  const responder = createResponder(source, options);
  return (request, info, ...others: unknown[]) => {
    if (!isFetchRequest(request) || typeof (info as DenoInfo | undefined)?.completed?.then !== "function") {
      return refuseCall({ from: "@sluice/adapter-deno", takes: "(request, info)" }, [request, info, ...others]);
    }
    const { response, writer } = respondWithStream(responder, request, { request, info });
    if (writer !== undefined) {
      const gone = (): void => writer.gone();
      info.completed.then(gone, gone);
      // Until there is a body that can be cancelled, only the request's signal tells.
      const patience = setTimeout(() => request.signal.addEventListener("abort", gone), PATIENCE);
      void response.then(() => clearTimeout(patience));
    }
    return response;
  };
}

/**
 * In ms. Deno warns of every signal that was read and aborts it after every response, so it is read only where headers
 * take longer than this: where `authorize` waits.
 */
const PATIENCE = 1000;
