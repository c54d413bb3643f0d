import { exchangeOf, openBody } from "@sluice/adapter-node";
import type { Answer } from "@sluice/adapter-node";
import { createResponder, refuseCall } from "@sluice/core";
import type { EventStreamOptions, Source } from "@sluice/core";
import type { DefaultContext, DefaultState, Middleware, Next, ParameterizedContext } from "koa";

/** `connection.native` in Koa. */
export interface KoaNative<State = DefaultState, Context = DefaultContext> {
  readonly ctx: ParameterizedContext<State, Context>;
  readonly next: Next;
}

/**
 * Makes a Koa middleware (2 and 3) that answers with an event stream, as the body of `ctx`: the middleware in front of it
 * goes on as soon as the stream is admitted, and the headers leave when the last of it has returned. So sessions,
 * cookies, timings and errors are what they are for any other body.
 *
 * @param source as for `eventStream` of `@sluice/core`
 * @param options as for `eventStream` of `@sluice/core`; `otherwise: ({ next }) => next()` passes on to the next middleware
 * @throws {SluiceError} at once, `invalid-source` or `invalid-option`
 *
 * @example
 * ```ts
 * import Koa from "koa";
 * import { eventStream } from "@sluice/adapter-koa";
 *
 * const app = new Koa();
 * app.use(
 *   eventStream(async function* ({ native: { ctx } }) {
 *     yield { event: "greeting", data: { path: ctx.path } };
 *   }),
 * );
 * const server = app.listen(0, "127.0.0.1");
 * await new Promise((resolve) => server.once("listening", resolve));
 * const { port } = server.address() as { port: number };
 * const text = await (await fetch(`http://127.0.0.1:${port}/hello`)).text();
 * console.assert(text.includes('event: greeting\ndata: {"path":"/hello"}\n\n'));
 * server.close();
 * ```
 */
export function eventStream<State = DefaultState, Context = DefaultContext>(
  source: Source<KoaNative<State, Context>>,
  options: EventStreamOptions<KoaNative<State, Context>> = {},
): Middleware<State, Context> {
  const responder = createResponder(source, options);
  const answer: Middleware<State, Context> = async (ctx, next) => {
    const native = { ctx, next };
    // Mounted apps rewrite the request's own URL.
    const exchange = exchangeOf(ctx.req, native, ctx.originalUrl);
    if (responder.passesOn(exchange)) return responder.otherwise(native);
    forgiveLeaving(ctx);
    const opened = await openBody(responder, exchange, ctx.res);
    // Else nobody is left to answer.
    if (opened !== undefined) give(ctx, opened);
    return undefined;
  };
  // Not async: Express 4 would let the error float.
  return (ctx, next, ...others: unknown[]) =>
    isKoaContext(ctx)
      ? answer(ctx, next)
      : refuseCall({ from: "@sluice/adapter-koa", takes: "(ctx, next)" }, [ctx, next, ...others]);
}

function isKoaContext(value: unknown): boolean {
  const { req, res, set } = (value ?? {}) as Partial<Record<"req" | "res" | "set", unknown>>;
  return req !== undefined && res !== undefined && typeof set === "function";
}

function give(ctx: ParameterizedContext, { status, headers, body }: Answer): void {
  // First: Koa has a status of its own for no body.
  ctx.body = body ?? null;
  ctx.status = status;
  ctx.remove("Content-Length"); // of some other body
  headers.forEach((value, name) => {
    if (name !== "set-cookie") ctx.set(name, value);
  });
  ctx.append("Set-Cookie", headers.getSetCookie());
  // no-transform says the same, unless it was overridden: what is compressed this way would wait for a full block.
  ctx["compress"] ??= false;
}

/** What Node says, in one place or another, when a client goes. */
const LEAVING = ["ECONNRESET", "EPIPE", "ERR_STREAM_PREMATURE_CLOSE"];

/** Koa would tell the app's `error` event of every client that leaves, which is how event streams end. */
function forgiveLeaving(ctx: ParameterizedContext): void {
  const { onerror } = ctx;
  Object.assign(ctx, {
    onerror(error: NodeJS.ErrnoException | null) {
      const cannotAnswer = ctx.headerSent || !ctx.writable;
      if (cannotAnswer && LEAVING.includes(error?.code ?? "")) return;
      onerror.call(ctx, error as Error);
    },
  });
}
