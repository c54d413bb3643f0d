import type { Responder } from "@sluice/core";
import { exchangeOf } from "./exchange.ts";
import type { NodeRequest } from "./exchange.ts";
import { isOver, ResponseSink, watch } from "./response-sink.ts";
import type { NodeResponse } from "./response-sink.ts";

/**
 * Answers one request of a Node server with a responder of core: for adapters of frameworks that stand on Node's
 * responses and are done with the headers when they call a handler. {@link openBody} is for those that are not.
 *
 * @param native what the source finds in `connection.native`
 * @returns what `otherwise` has returned, for the framework to wait for, where the client was for it
 *
 * @example
 * ```ts ignore
 * // The whole of a framework's adapter; `req` and `res` are what its handler was given.
 * const responder = createResponder(source, options);
 * respondWith(responder, req, res, { req, res });
 * ```
 */
export function respondWith<Native>(
  responder: Responder<Native>,
  req: NodeRequest,
  res: NodeResponse,
  native: Native,
): unknown {
  // The client may have left while a middleware worked: nothing is run for it.
  if (isOver(res)) return undefined;
  const exchange = exchangeOf(req, native);
  if (responder.passesOn(exchange)) return responder.otherwise(native);
  watch(res, responder.respond(exchange, new ResponseSink(res)));
  return undefined;
}
