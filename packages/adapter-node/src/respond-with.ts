import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Exchange, Responder, Sink } from "@sluice/core";

export type NodeRequest = IncomingMessage | Http2ServerRequest;
export type NodeResponse = ServerResponse | Http2ServerResponse;

/**
 * Answers one request of a Node server with a responder of core: for adapters of frameworks that stand on Node's
 * responses.
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
  if (responder.passesOn(exchange.headers)) return responder.otherwise(native);
  const writer = responder.respond(exchange, new ResponseSink(res));
  const body = "stream" in res ? res.stream : res;
  body.on("finish", () => writer.drained());
  // The response's own events: after a body parser, the request has closed long before the client leaves.
  res.on("drain", () => writer.drained());
  res.on("close", () => writer.gone());
  res.on("error", () => writer.gone("write-failed"));
  return undefined;
}

/** A `Sink` that writes to Node's response. */
class ResponseSink implements Sink {
  readonly #res: NodeResponse;

  constructor(res: NodeResponse) {
    this.#res = res;
  }

  get buffered(): number {
    return "stream" in this.#res ? (this.#res.stream?.writableLength ?? 0) : this.#res.writableLength;
  }

  open(status: number, headers: Headers): void {
    const res = this.#res;
    // One by one, over what the framework or a middleware has set: the rest of theirs survives.
    headers.forEach((value, name) => {
      if (name !== "set-cookie") res.setHeader(name, value);
    });
    for (const cookie of headers.getSetCookie()) appendCookie(res, cookie);
    res.statusCode = status;
    if (status !== 200) return; // they leave with end()
    if ("stream" in res) res.writeHead(status);
    else res.flushHeaders();
  }

  write(bytes: Uint8Array): boolean {
    const hasRoom = this.#write(bytes);
    // A compressing middleware holds bytes back until it is told not to.
    if ("flush" in this.#res && typeof this.#res.flush === "function") this.#res.flush();
    return hasRoom;
  }

  end(): void {
    this.#res.end();
  }

  abort(): void {
    const res = this.#res;
    if ("stream" in res) res.stream?.close(CANCEL);
    else res.destroy();
  }

  #write(bytes: Uint8Array): boolean {
    // Each arm has its own overloads of write().
    return "stream" in this.#res ? this.#res.write(bytes) : this.#res.write(bytes);
  }
}

/** The HTTP/2 error code (RFC 9113, section 7). */
const CANCEL = 8;

function isOver(res: NodeResponse): boolean {
  return "stream" in res ? res.stream === undefined || res.stream.destroyed : res.destroyed;
}

function appendCookie(res: NodeResponse, cookie: string): void {
  const earlier = res.getHeader("set-cookie") ?? [];
  res.setHeader("set-cookie", [...(Array.isArray(earlier) ? earlier : [String(earlier)]), cookie]);
}

function exchangeOf<Native>(req: NodeRequest, native: Native): Exchange<Native> {
  return { method: req.method ?? "GET", url: urlOf(req), headers: headersOf(req), native };
}

function headersOf(req: NodeRequest): Headers {
  const headers = new Headers();
  const raw = req.rawHeaders;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string;
    if (name.startsWith(":")) continue; // a pseudo-header of HTTP/2
    try {
      headers.append(name, raw[i + 1] as string);
    } catch {} // Node takes a few header values that the Fetch Standard does not; nobody can ask for those
  }
  return headers;
}

/** The URL as far as the request can be believed: Host is the client's word. */
function urlOf(req: NodeRequest): URL {
  const scheme = "encrypted" in req.socket && req.socket.encrypted ? "https" : "http";
  const host = req.headers.host ?? req.headers[":authority"] ?? "localhost";
  // Frameworks that mount routers rewrite `url` and keep the whole in `originalUrl`.
  const target = "originalUrl" in req && typeof req.originalUrl === "string" ? req.originalUrl : (req.url ?? "/");
  let url: URL;
  try {
    url = new URL(target.startsWith("/") ? `${scheme}://localhost${target}` : target);
  } catch {
    return new URL("http://localhost/");
  }
  // Set apart from the target, so that nothing in it can pass for a path or a query.
  if (target.startsWith("/")) url.host = String(host);
  return url;
}
