import http from "node:http";
import type { IncomingMessage } from "node:http";
import http2 from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import https from "node:https";
import net from "node:net";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import tls from "node:tls";
import { createDecoder } from "@sluice/core";
import type { DecodedEvent } from "@sluice/core";

/** Options of {@link openStream} and {@link connectStalled}. */
export interface OpenOptions {
  /** Default `GET`. */
  readonly method?: string | undefined;
  /**
   * Over `Accept: text/event-stream`; `undefined` leaves a header out, and an array sends it several times. Bytes beyond
   * ASCII: one character for each.
   */
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>> | undefined;
  /** The request's body. */
  readonly body?: string | undefined;
  /** Speaks HTTP/2: over TLS for `https:` URLs, with prior knowledge for `http:` ones. Default false. */
  readonly http2?: boolean | undefined;
  /** Whose connections are used, and kept, on HTTP/1.1; default a new connection, which ends with the stream. */
  readonly agent?: http.Agent | undefined;
  /** An HTTP/2 session to open the stream on; default a new one, which ends with the stream. */
  readonly session?: ClientHttp2Session | undefined;
  /** Leaves, also before there is an answer. */
  readonly signal?: AbortSignal | undefined;
}

/** One response as it comes in: what it has said so far, how it ended, and the ways a client can treat it. */
export interface StreamClient {
  readonly status: number;
  /** Names in lower case; several values of one name joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body so far, decoded. Nothing is added while paused. */
  readonly text: string;
  /** The body so far, in bytes. */
  readonly bytes: number;
  /** The events so far. */
  readonly events: readonly DecodedEvent[];
  /** The comments so far. */
  readonly comments: readonly string[];
  /** The reconnection time that the stream has set, in ms. */
  readonly reconnectionTime: number | undefined;
  /** How the response ended: `complete` as its framing says, or `broken` off. */
  readonly end: "complete" | "broken" | undefined;
  /** Resolves when the response has ended. */
  readonly ended: Promise<"complete" | "broken">;
  /**
   * Resolves when the condition holds, which is looked at whenever something comes in or ends.
   *
   * @param within in ms, default 8,000; an error that says what has come is thrown then
   */
  until(condition: (client: StreamClient) => boolean, within?: number): Promise<void>;
  /** Reads nothing more: the connection stays open, and the kernel's buffers fill. */
  pause(): void;
  /** Reads again. */
  resume(): void;
  /** Reads so many bytes every so many ms, through a small buffer, from now on. */
  readSlowly(bytes: number, every: number): void;
  /** Leaves as a browser does: closes the socket, or on HTTP/2 cancels the stream. */
  leave(): void;
  /** Vanishes: the connection is reset (RST), without a word. */
  reset(): void;
  /** Says that it will send nothing more (FIN), and keeps reading. */
  halfClose(): void;
}

/**
 * Requests a stream over a socket of its own and reads it. Certificates are not checked.
 *
 * @returns when the response's headers have come, without waiting for a body
 *
 * @example
 * ```ts
 * import { createServer } from "node:http";
 * import { openStream, serveNode } from "@sluice/testkit";
 *
 * const server = await serveNode(createServer((_, res) => res.end("data: hello\n\n")));
 * const client = await openStream(`${server.url}/`);
 * console.assert((await client.ended) === "complete" && client.events[0]?.data === "hello");
 * await server.close();
 * ```
 */
export async function openStream(url: string | URL, options: OpenOptions = {}): Promise<StreamClient> {
  const target = new URL(url);
  return options.http2 === true ? openHttp2(target, options) : openHttp1(target, options);
}

/**
 * Requests a stream and then reads nothing at all, not even the response's headers, as a client does whose network has
 * gone or whose process is stopped. HTTP/1.1.
 *
 * @returns the socket, once the request is out: `destroy()` it, or `resetAndDestroy()`
 */
export async function connectStalled(url: string | URL, options: OpenOptions = {}): Promise<Socket> {
  const socket = await connectTo(new URL(url), true);
  socket.write(requestText(new URL(url), options));
  return socket;
}

/** One request of {@link pipeline}. */
export interface PipelinedRequest extends OpenOptions {
  readonly url: URL;
}

/** What came back for requests that were sent at once. */
export interface PipelinedAnswers {
  /** Everything, heads and framing as they came, once the server has closed the connection. */
  readonly ended: Promise<string>;
  /** Resolves when the text has come; rejects where the connection was closed without it. */
  until(text: string): Promise<void>;
  /** Closes the socket. */
  leave(): void;
}

/**
 * Sends several requests on one connection, without waiting for an answer. The last one asks the server to close it.
 * HTTP/1.1.
 */
export function pipeline(requests: readonly PipelinedRequest[]): PipelinedAnswers {
  const [{ url }] = requests as readonly [PipelinedRequest];
  const raw = net.connect({ host: url.hostname, port: portOf(url) });
  const socket = url.protocol === "https:" ? tls.connect({ socket: raw, rejectUnauthorized: false }) : raw;
  let answers = "";
  socket.on("error", ignore).on("data", (bytes: Buffer) => (answers += bytes.toString("latin1")));
  const closed = new Promise<void>((resolve) => void socket.once("close", () => resolve()));
  const texts = requests.map((request, index) => {
    const isLast = index === requests.length - 1;
    return requestText(
      request.url,
      isLast ? { ...request, headers: { ...request.headers, Connection: "close" } } : request,
    );
  });
  socket.write(Buffer.concat(texts));
  return {
    ended: closed.then(() => answers),
    async until(text) {
      while (!answers.includes(text)) {
        if (socket.closed)
          throw new Error(`Cannot go on: the connection is closed, and what came is ${answers.slice(-300)}`);
        await Promise.race([closed, new Promise((resolve) => void socket.once("data", resolve))]);
      }
    },
    leave: () => socket.destroy(),
  };
}

/** Options of {@link connectAndReset} and {@link connectAndLeave}. */
export interface LeaveOptions extends OpenOptions {
  /** What of the response is waited for. Default: its first bytes. */
  readonly until?: string | undefined;
}

/**
 * Requests a stream, waits for the first bytes of the response, and resets the connection (RST). HTTP/1.1.
 *
 * @returns when the socket is closed
 */
export async function connectAndReset(url: string | URL, options: LeaveOptions = {}): Promise<void> {
  const socket = await connectTo(new URL(url));
  socket.write(requestText(new URL(url), options));
  await received(socket, options.until ?? "");
  socket.resetAndDestroy();
  await closeOf(socket);
}

/**
 * Requests a stream, waits for the first bytes of the response, and says that it will send nothing more (FIN). HTTP/1.1.
 *
 * @returns when the server has closed the connection too
 */
export async function connectAndLeave(url: string | URL, options: LeaveOptions = {}): Promise<void> {
  const socket = await connectTo(new URL(url));
  socket.write(requestText(new URL(url), options));
  await received(socket, options.until ?? "");
  socket.end();
  await closeOf(socket);
}

/** A plain socket to the host of a URL, connected, that raises no error when it breaks. */
async function connectTo(url: URL, paused = false): Promise<Socket> {
  const socket = net.connect({ host: url.hostname, port: portOf(url), noDelay: true });
  // Before it is connected: a socket that has begun to read goes on until its own buffer is full.
  if (paused) socket.pause();
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  socket.on("error", ignore);
  return socket;
}

/** Until the text has come; the first bytes, where it is empty. */
function received(socket: Socket, text: string): Promise<void> {
  let all = "";
  return new Promise((resolve) => {
    const onData = (bytes: Buffer): void => {
      all += bytes.toString("latin1");
      if (!all.includes(text)) return;
      socket.off("data", onData);
      resolve();
    };
    socket.on("data", onData);
    socket.once("close", resolve);
  });
}

function closeOf(socket: Socket): Promise<void> {
  socket.resume();
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once("close", () => resolve());
  });
}

function portOf(url: URL): number {
  return Number(url.port) || (url.protocol === "https:" ? 443 : 80);
}

function headersOf({ headers, body }: OpenOptions): Record<string, string | string[]> {
  const all = {
    Accept: "text/event-stream",
    ...(body !== undefined && { "Content-Length": `${Buffer.byteLength(body)}` }),
    ...headers,
  };
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, typeof value === "string" ? value : [...value]]],
    ),
  );
}

function requestText(url: URL, options: OpenOptions): Buffer {
  const lines = Object.entries(headersOf(options)).flatMap(([name, value]) =>
    [value].flat().map((each) => `${name}: ${each}`),
  );
  const head = [
    `${options.method ?? "GET"} ${url.pathname}${url.search} HTTP/1.1`,
    `Host: ${url.host}`,
    ...lines,
    "",
    "",
  ];
  return Buffer.concat([Buffer.from(head.join("\r\n"), "latin1"), Buffer.from(options.body ?? "")]);
}

async function openHttp1(url: URL, options: OpenOptions): Promise<StreamClient> {
  if (options.agent !== undefined) return openWithAgent(url, options, options.agent);
  const raw = await connectTo(url);
  const socket = url.protocol === "https:" ? tls.connect({ socket: raw, rejectUnauthorized: false }) : raw;
  socket.on("error", ignore);
  const request = http.request({
    createConnection: () => socket,
    ...requestOptions(url, options),
    // Kept alive, so that the end of the body is the end of its framing and not of the connection.
    headers: { ...headersOf(options), Connection: "keep-alive" },
  });
  const response = await responseTo(request, options);
  return new Reading(response, {
    ...partsOf(response),
    finish: () => socket.destroy(),
    leave: () => socket.destroy(),
    reset: () => raw.resetAndDestroy(),
    halfClose: () => socket.end(),
  });
}

async function openWithAgent(url: URL, options: OpenOptions, agent: http.Agent): Promise<StreamClient> {
  const { request: send } = url.protocol === "https:" ? https : http;
  const request = send({
    agent,
    rejectUnauthorized: false,
    ...requestOptions(url, options),
    headers: headersOf(options),
  });
  const response = await responseTo(request, options);
  const { socket } = response;
  return new Reading(response, {
    ...partsOf(response),
    finish: () => {},
    leave: () => socket.destroy(),
    reset: () => socket.resetAndDestroy(),
    halfClose: () => socket.end(),
  });
}

function requestOptions(url: URL, { method = "GET" }: OpenOptions): http.RequestOptions {
  return { method, host: url.hostname, port: portOf(url), path: url.pathname + url.search };
}

async function responseTo(request: http.ClientRequest, options: OpenOptions): Promise<IncomingMessage> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request.once("response", resolve);
    request.once("error", reject);
    options.signal?.addEventListener("abort", () => request.destroy());
    request.end(options.body);
  });
  request.on("error", ignore);
  return response;
}

function partsOf(response: IncomingMessage): Pick<Handle, "status" | "headers" | "isComplete"> {
  return {
    status: response.statusCode ?? 0,
    headers: response.headers as Record<string, string>,
    isComplete: () => response.complete,
  };
}

async function openHttp2(url: URL, options: OpenOptions): Promise<StreamClient> {
  const isOwn = options.session === undefined;
  const session = options.session ?? (await openSession(url));
  const stream = session.request({
    ":method": options.method ?? "GET",
    ":path": url.pathname + url.search,
    ...Object.fromEntries(Object.entries(headersOf(options)).map(([name, value]) => [name.toLowerCase(), value])),
  });
  const headers = await new Promise<http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader>((resolve, reject) => {
    stream.once("response", resolve);
    stream.once("error", reject);
    stream.once("close", () => reject(new Error("The stream closed before it was answered")));
    options.signal?.addEventListener("abort", () => stream.close(http2.constants.NGHTTP2_CANCEL));
    stream.end(options.body);
  }).catch((error: unknown) => {
    if (isOwn) session.close();
    throw error;
  });
  return new Reading(stream, {
    status: headers[":status"] ?? 0,
    headers: headers as unknown as Record<string, string>,
    isComplete: () => isCleanlyClosed(stream),
    finish: () => {
      if (isOwn) session.close();
    },
    leave: () => stream.close(http2.constants.NGHTTP2_CANCEL),
    reset: () => rawSockets.get(session)?.resetAndDestroy(),
    halfClose: () => session.close(),
  });
}

const rawSockets = new WeakMap<ClientHttp2Session, Socket>();

/** Opens an HTTP/2 session to a server, over TLS for `https:` URLs. Certificates are not checked. */
export async function openSession(url: string | URL): Promise<ClientHttp2Session> {
  const target = new URL(url);
  const raw = await connectTo(target);
  const socket =
    target.protocol === "https:"
      ? tls.connect({ socket: raw, rejectUnauthorized: false, ALPNProtocols: ["h2"], servername: "localhost" })
      : raw;
  socket.on("error", ignore);
  const session = http2.connect(target.origin, { createConnection: () => socket });
  session.on("error", ignore);
  rawSockets.set(session, raw);
  return session;
}

function isCleanlyClosed(stream: ClientHttp2Stream): boolean {
  return stream.rstCode === http2.constants.NGHTTP2_NO_ERROR && stream.readableEnded && !stream.aborted;
}

interface Handle {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  isComplete(): boolean;
  finish(): void;
  leave(): void;
  reset(): void;
  halfClose(): void;
}

class Reading implements StreamClient {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  text = "";
  bytes = 0;
  readonly events: DecodedEvent[] = [];
  readonly comments: string[] = [];
  end: "complete" | "broken" | undefined = undefined;
  readonly ended: Promise<"complete" | "broken">;

  readonly #source: Readable;
  readonly #handle: Handle;
  readonly #watchers = new Set<() => void>();
  readonly #decoder = createDecoder({
    onEvent: (event) => this.events.push(event),
    onComment: (comment) => this.comments.push(comment),
  });
  #turns: NodeJS.Timeout | undefined = undefined;

  constructor(source: Readable, handle: Handle) {
    this.#source = source;
    this.#handle = handle;
    this.status = handle.status;
    this.headers = handle.headers;
    const utf8 = new TextDecoder();
    source.on("data", (chunk: Buffer) => {
      this.bytes += chunk.length;
      // The text of a flood is of no use.
      if (this.bytes < 4_000_000) this.text += utf8.decode(chunk, { stream: true });
      this.#decoder.push(chunk);
      this.#look();
    });
    source.on("error", ignore);
    this.ended = new Promise((resolve) => {
      source.once("close", () => {
        this.end = handle.isComplete() ? "complete" : "broken";
        clearInterval(this.#turns);
        handle.finish();
        resolve(this.end);
        this.#look();
      });
    });
  }

  get reconnectionTime(): number | undefined {
    return this.#decoder.reconnectionTime;
  }

  until(condition: (client: StreamClient) => boolean, within = 8000): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (action: () => void): void => {
        this.#watchers.delete(look);
        clearTimeout(timer);
        action();
      };
      const look = (): void => {
        if (condition(this)) settle(resolve);
        else if (this.end !== undefined)
          settle(() => reject(this.#unmet(condition, `the response ended, ${this.end}`)));
      };
      const timer = setTimeout(() => settle(() => reject(this.#unmet(condition, `${within} ms have passed`))), within);
      this.#watchers.add(look);
      look();
    });
  }

  pause(): void {
    this.#source.pause();
  }

  resume(): void {
    this.#source.resume();
  }

  readSlowly(bytes: number, every: number): void {
    this.#turns = setInterval(() => {
      // A paused stream still emits what is read from it; reading nothing lets it fetch more.
      this.#source.read(Math.min(bytes, this.#source.readableLength));
    }, every);
    this.#source.on("readable", ignore).pause();
  }

  leave(): void {
    this.#handle.leave();
  }

  reset(): void {
    this.#handle.reset();
  }

  halfClose(): void {
    this.#handle.halfClose();
  }

  #look(): void {
    for (const look of this.#watchers) look();
  }

  #unmet(condition: unknown, why: string): Error {
    return new Error(
      `Cannot go on: ${why}, and it is not so that ${String(condition)}; status ${this.status}, ` +
        `${this.bytes} bytes: ${JSON.stringify(this.text.slice(-300))}`,
    );
  }
}

function ignore(): void {}
