import http from "node:http";
import http2 from "node:http2";
import type { ClientHttp2Session, IncomingHttpHeaders, IncomingHttpStatusHeader } from "node:http2";
import type { Readable } from "node:stream";

export type Protocol = "http1" | "http2";

/** A response whose body is read by whoever listens to it; until then it stalls. */
export interface Response {
  readonly status: number;
  readonly body: Readable;
  /** Vanishes: a reset. On HTTP/2 of the stream. */
  reset(): void;
}

/** Makes requests: on HTTP/1.1 each on a connection of its own, on HTTP/2 by turns on so many sessions. */
export class Requester {
  readonly #protocol: Protocol;
  readonly #maxSessions: number;
  readonly #sessions: { readonly origin: string; readonly session: ClientHttp2Session }[] = [];
  #requests = 0;

  constructor(protocol: Protocol, maxSessions = 10) {
    this.#protocol = protocol;
    this.#maxSessions = maxSessions;
  }

  /** Rejects where nobody answers. */
  request(url: string, lastEventId: string | undefined): Promise<Response> {
    const headers = {
      accept: "text/event-stream",
      ...(lastEventId !== undefined && { "last-event-id": lastEventId }),
    };
    return this.#protocol === "http1" ? http1Request(url, headers) : this.#http2Request(new URL(url), headers);
  }

  close(): void {
    for (const { session } of this.#sessions) session.destroy();
  }

  #http2Request(url: URL, headers: Record<string, string>): Promise<Response> {
    const stream = this.#session(url.origin).request({ ":path": url.pathname, ...headers });
    return new Promise((resolve, reject) => {
      stream.once("error", reject);
      stream.once("close", () => reject(new Error("The stream closed before it was answered")));
      stream.once("response", (answered: IncomingHttpHeaders & IncomingHttpStatusHeader) => {
        stream.on("error", ignore);
        resolve({
          status: answered[":status"] ?? 0,
          body: stream,
          reset: () => stream.close(http2.constants.NGHTTP2_CANCEL),
        });
      });
    });
  }

  #session(origin: string): ClientHttp2Session {
    const at = this.#requests++ % this.#maxSessions;
    const known = this.#sessions[at];
    // One that is told to go away is closed as soon as its streams are.
    if (known?.origin === origin && !known.session.closed && !known.session.destroyed) return known.session;
    const session = http2.connect(origin);
    session.on("error", ignore);
    this.#sessions[at] = { origin, session };
    return session;
  }
}

function http1Request(url: string, headers: Record<string, string>): Promise<Response> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent: false, headers });
    request.on("error", reject);
    request.once("response", (response) => {
      response.on("error", ignore);
      resolve({
        status: response.statusCode ?? 0,
        body: response,
        reset: () => response.socket.resetAndDestroy(),
      });
    });
  });
}

function ignore(): void {}
