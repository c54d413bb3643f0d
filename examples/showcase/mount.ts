import type { EventStreamOptions, Hub, SourceFunction } from "@sluice/core";
import type { Lines } from "./lines.ts";
import type { ServerLog } from "./log.ts";
import { withSecurityHeaders } from "./security.ts";

/** A request, as routes see it on every platform. */
export interface Visit {
  readonly request: Request;
  readonly url: URL;
  /** What stands in the place of `:name` in the route's path. */
  readonly params: Readonly<Record<string, string | undefined>>;
}

/** A route that answers with something short. */
export interface PlainRoute {
  readonly method: "GET" | "POST";
  /** Such as `/jobs/:id`. */
  readonly path: string;
  readonly answer: (visit: Visit) => Response | Promise<Response>;
}

/** A route that answers with an event stream. */
export interface StreamRoute {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly options: EventStreamOptions;
  /** Where the events of this visit come from, or why there are none. */
  readonly open: (visit: Visit) => SourceFunction | Response | Promise<SourceFunction | Response>;
  /** What only those know who may cut the connection; undefined for one that nobody can cut. */
  readonly lineOf?: (visit: Visit) => string | undefined;
}

export type Route = PlainRoute | StreamRoute;

/** What a platform mounts. */
export interface Mountable {
  readonly routes: readonly Route[];
  /** The page's files; undefined for what is none. */
  readonly page: (pathname: string) => Promise<Response | undefined>;
  readonly hub: Hub;
  readonly lines: Lines;
  readonly log: ServerLog;
}

/** Answers one request: with a `Response`, or with the handler of the platform's adapter that is to answer it. */
export type Answer<Handler> = (request: Request, key: object, cut: () => void) => Promise<Response | Handler>;

/**
 * Makes a handler for each stream, once, with the adapter's `eventStream`, and answers everything else itself: all that
 * differs between platforms is how a request comes in and how an answer goes out.
 *
 * @param keyOf what the platform has passed as `key`, found again in `connection.native`
 */
export function mount<Native, Handler>(
  { routes, page, hub, lines, log }: Mountable,
  eventStream: (source: SourceFunction<Native>, options: EventStreamOptions<Native>) => Handler,
  keyOf: (native: Native) => object,
): Answer<Handler> {
  const opened = new WeakMap<object, { source: SourceFunction; line: string | undefined; cut: () => void }>();
  const mounted = routes.map((route) => {
    const pattern = new URLPattern({ pathname: route.path });
    if (!("open" in route)) return { ...route, pattern };
    const handler = eventStream(
      (connection) => {
        const { source, line, cut } = opened.get(keyOf(connection.native)) ?? missing();
        lines.hold(line, cut, connection.closed);
        return source(connection);
      },
      {
        ...route.options,
        hub,
        headers: withSecurityHeaders,
        onError: (error) => log.error("a stream failed", error),
      },
    );
    return { ...route, pattern, handler };
  });

  async function answer(request: Request, key: object, cut: () => void): Promise<Response | Handler> {
    const url = new URL(request.url);
    const method = request.method === "HEAD" ? "GET" : request.method;
    for (const route of mounted) {
      const found = route.method === method ? route.pattern.exec({ pathname: url.pathname }) : null;
      if (found === null) continue;
      const visit: Visit = { request, url, params: found.pathname.groups };
      if (!("open" in route)) return route.answer(visit);
      const source = await route.open(visit);
      if (source instanceof Response) return source;
      opened.set(key, { source, line: route.lineOf?.(visit), cut });
      return route.handler;
    }
    const file = method === "GET" ? await page(url.pathname) : undefined;
    return file ?? refusal(404, "There is nothing here.");
  }

  return async (request, key, cut) => {
    const cameAt = performance.now();
    const answered = await answer(request, key, cut).catch((error: unknown) => {
      if (error instanceof Refused) return refusal(error.status, error.message);
      log.error("a request failed", error);
      return refusal(500, "Something went wrong on the server.");
    });
    if (!(answered instanceof Response)) return answered;
    withSecurityHeaders().forEach((value, name) => answered.headers.set(name, value));
    log.answered(request, answered.status, performance.now() - cameAt);
    return answered;
  };
}

function missing(): never {
  throw new Error("A stream was opened for a request that nobody has looked at");
}

/** Why a request is not answered, in words that a visitor may read. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export function refusal(status: number, error: string): Response {
  return json({ error }, status);
}

export function json(body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return Response.json(body, { status, headers: { "Cache-Control": "no-store", ...headers } });
}

/**
 * Reads a body of at most so many bytes.
 *
 * @throws {Refused} with 413 for more, and with 400 for what is not JSON
 */
export async function readJson({ body }: Request, maxBytes: number): Promise<unknown> {
  let text = "";
  let bytes = 0;
  if (body !== null) {
    const utf8 = new TextDecoder();
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw new Refused(413, "The body is too large.");
      text += utf8.decode(chunk, { stream: true });
    }
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new Refused(400, "The body is not JSON.");
  }
}
