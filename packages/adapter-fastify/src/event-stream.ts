import { exchangeOf, openBody } from "@sluice/adapter-node";
import type { Answer } from "@sluice/adapter-node";
import { createResponder, refuseCall } from "@sluice/core";
import type { EventStreamOptions, Exchange, Responder, Source } from "@sluice/core";
import type { FastifyReply, FastifyRequest, RawServerBase, RawServerDefault, RouteGenericInterface } from "fastify";
import { endOnClose } from "./end-on-close.ts";

/** `connection.native` in Fastify. */
export interface FastifyNative<
  Route extends RouteGenericInterface = RouteGenericInterface,
  RawServer extends RawServerBase = RawServerDefault,
> {
  readonly request: FastifyRequest<Route, RawServer>;
  readonly reply: FastifyReply<Route, RawServer>;
}

/** A handler for a route of Fastify. */
export type FastifyHandler<
  Route extends RouteGenericInterface = RouteGenericInterface,
  RawServer extends RawServerBase = RawServerDefault,
> = (request: FastifyRequest<Route, RawServer>, reply: FastifyReply<Route, RawServer>) => unknown;

/**
 * Makes a Fastify route handler (5) that answers with an event stream, as the payload of `reply.send()`: every hook runs,
 * and what hooks and plugins set, before and in `onSend`, goes out with it.
 *
 * When Fastify closes, streams that are still open after its `preClose` hooks are ended, so that it does not wait for them.
 *
 * @param source as for `eventStream` of `@sluice/core`
 * @param options as for `eventStream` of `@sluice/core`; what `otherwise` returns is the payload, as of any handler
 * @throws {SluiceError} at once, `invalid-source` or `invalid-option`
 *
 * @example
 * ```ts
 * import { fastify } from "fastify";
 * import { eventStream } from "@sluice/adapter-fastify";
 *
 * const app = fastify();
 * app.get<{ Params: { name: string } }>(
 *   "/greet/:name",
 *   eventStream(async function* ({ native: { request } }) {
 *     yield { event: "greeting", data: { name: request.params.name } };
 *   }),
 * );
 * const response = await fetch(`${await app.listen({ host: "127.0.0.1" })}/greet/ada`);
 * console.assert((await response.text()).includes('event: greeting\ndata: {"name":"ada"}\n\n'));
 * await app.close();
 * ```
 */
export function eventStream<
  Route extends RouteGenericInterface = RouteGenericInterface,
  RawServer extends RawServerBase = RawServerDefault,
>(
  source: Source<FastifyNative<Route, RawServer>>,
  options: EventStreamOptions<FastifyNative<Route, RawServer>> = {},
): FastifyHandler<Route, RawServer> {
  const responder = createResponder(source, options);
  return (request, reply, ...others: unknown[]) => {
    if (!isFastifyCall(request, reply)) {
      return refuseCall({ from: "@sluice/adapter-fastify", takes: "(request, reply)" }, [request, reply, ...others]);
    }
    const native = { request, reply };
    const exchange = exchangeOf(request.raw, native);
    if (responder.passesOn(exchange)) return responder.otherwise(native);
    // Fastify waits for send(). A promise would tell it of the end of the response, too: as an error, where a client is reset.
    respond(responder, exchange, reply as FastifyReply).catch((error: unknown) => reply.send(error as never));
    return undefined;
  };
}

function isFastifyCall(...args: readonly unknown[]): boolean {
  return args.every((each) => typeof each === "object" && each !== null && "raw" in each);
}

async function respond<Native>(
  responder: Responder<Native>,
  exchange: Exchange<Native>,
  reply: FastifyReply,
): Promise<void> {
  const answer = await openBody(responder, exchange, reply.raw);
  if (answer === undefined) return; // nobody is left to answer
  if (typeof answer.body === "object") endOnClose(reply.server.server, reply.raw, answer.writer);
  send(reply, answer);
}

function send(reply: FastifyReply, { status, headers, body }: Answer): void {
  reply.removeHeader("content-length"); // of some other body
  headers.forEach((value, name) => {
    if (name !== "set-cookie") reply.header(name, value);
  });
  const earlier = reply.getHeader("set-cookie") ?? [];
  const cookies = [earlier, headers.getSetCookie()].flat().map(String);
  // Set as a whole: Fastify's own would hide those that stand on Node's response.
  if (cookies.length > 0) reply.removeHeader("set-cookie").header("set-cookie", cookies);
  reply.code(status).send(body);
}
