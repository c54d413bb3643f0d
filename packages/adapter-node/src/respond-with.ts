import { isFetchRequest } from "@sluice/core";
import type { Responder } from "@sluice/core";
import { exchangeOf } from "./exchange.ts";
import type { NodeRequest } from "./exchange.ts";
import { isOver, ResponseSink } from "./response-sink.ts";
import type { NodeResponse } from "./response-sink.ts";
import { isWaiting, turnOf } from "./turn.ts";
import { UnreadBody } from "./unread-body.ts";

/**
 * Answers one request of a Node server with a responder of core: for adapters of frameworks that stand on Node's
 * responses and are done with the headers when they call a handler. {@link openBody} is for those that are not.
 *
 * A request that was pipelined waits until its response has the socket: until then nothing is run for it but `otherwise`.
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
  const body = UnreadBody.of(req);
  const respond = (): void => void new ResponseSink(res).respond(responder, exchange, body);
  if (!isWaiting(res)) respond();
  else void turnOf(res).then((hasTurn) => hasTurn && !isOver(res) && respond());
  return undefined;
}

/**
 * Whether a handler was called with a request and a response of Node: for adapters, which refuse other calls with
 * `refuseCall` of core.
 *
 * @example
 * ```ts
 * import { isNodeCall } from "@sluice/adapter-node";
 *
 * console.assert(!isNodeCall(new Request("http://localhost/"), undefined));
 * ```
 */
export function isNodeCall(req: unknown, res: unknown): boolean {
  const { setHeader } = (res ?? {}) as { readonly setHeader?: unknown };
  return typeof setHeader === "function" && typeof req === "object" && !isFetchRequest(req);
}
