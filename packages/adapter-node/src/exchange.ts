import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { Exchange } from "@sluice/core";

export type NodeRequest = IncomingMessage | Http2ServerRequest;

/**
 * What one request of a Node server brought, for a responder of core.
 *
 * @param native what the source finds in `connection.native`
 * @param target path and query, where a framework that mounts routers has them. Default: the request's
 *
 * @example
 * ```ts ignore (a framework makes the request)
 * const { url, headers } = exchangeOf(req, { req, res });
 * ```
 */
export function exchangeOf<Native>(
  req: NodeRequest,
  native: Native,
  target: string = wholeTargetOf(req),
): Exchange<Native> {
  return new NodeExchange(req, native, target);
}

/** URL and headers are made when they are asked for, and not kept: most connections live long and never ask. */
class NodeExchange<Native> implements Exchange<Native> {
  readonly method: string;
  readonly native: Native;
  readonly #req: NodeRequest;
  readonly #target: string;

  constructor(req: NodeRequest, native: Native, target: string) {
    this.method = req.method ?? "GET";
    this.native = native;
    this.#req = req;
    this.#target = target;
  }

  header(name: string): string | null {
    const value = this.#req.headers[name];
    return value === undefined ? null : String(value);
  }

  get searchParams(): Iterable<[name: string, value: string]> {
    return this.#target.includes("?") ? this.url.searchParams : [];
  }

  get url(): URL {
    return urlOf(this.#req, this.#target);
  }

  get headers(): Headers {
    return headersOf(this.#req);
  }
}

/** Frameworks that mount routers rewrite `url` and keep the whole in `originalUrl`. */
function wholeTargetOf(req: NodeRequest): string {
  return "originalUrl" in req && typeof req.originalUrl === "string" ? req.originalUrl : (req.url ?? "/");
}

/** The URL as far as the request can be believed: Host is the client's word. */
function urlOf(req: NodeRequest, target: string): URL {
  const scheme = "encrypted" in req.socket && req.socket.encrypted ? "https" : "http";
  const host = req.headers.host ?? req.headers[":authority"] ?? "localhost";
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
