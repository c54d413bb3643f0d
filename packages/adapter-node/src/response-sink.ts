import type { ServerResponse } from "node:http";
import { Server } from "node:net";
import type { Socket } from "node:net";
import type { Http2ServerResponse } from "node:http2";
import type { Sink, SinkEnd, Writer } from "@sluice/core";
import { breakOff, reset } from "./break-off.ts";
import { asBuffer, asChunk, chunkedSocketOf } from "./chunk.ts";

export type NodeResponse = ServerResponse | Http2ServerResponse;

/** A `Sink` that writes to Node's response. */
export class ResponseSink implements Sink {
  readonly #res: NodeResponse;
  /** The body of a refusal. */
  #text: string | undefined = undefined;

  constructor(res: NodeResponse) {
    this.#res = res;
  }

  get buffered(): number {
    return "stream" in this.#res ? (this.#res.stream?.writableLength ?? 0) : this.#res.writableLength;
  }

  open(status: number, headers: Headers, text?: string): void {
    const res = this.#res;
    this.#text = text;
    res.statusCode = status;
    // Node goes on answering on connections that are kept alive, and its server would not come to its end.
    if (!("stream" in res) && isClosing(res)) res.shouldKeepAlive = false;
    // The others leave with end().
    if (status === 200) outliveIdleLimit(res);
    if ("stream" in res) {
      setHeaders(res, headers);
      if (status === 200) res.writeHead(status);
    } else if (status === 200 && isUntouched(res)) {
      // What follows at once, a greeting and what a channel has, goes out with the headers.
      const { socket } = res;
      socket?.cork();
      process.nextTick(() => socket?.uncork());
      res.writeHead(status, flat(headers));
      res.flushHeaders();
    } else {
      setHeaders(res, headers);
      if (status === 200) res.flushHeaders();
    }
  }

  write(bytes: Uint8Array<ArrayBuffer>): boolean {
    const hasRoom = this.#write(bytes);
    flush(this.#res);
    return hasRoom;
  }

  end(how: SinkEnd): void {
    if (how === "broken") breakOff(this.#res);
    else this.#res.end(this.#text ?? "");
  }

  abort(): void {
    const res = this.#res;
    if (!("stream" in res)) res.destroy();
    else if (res.stream !== undefined) reset(res.stream);
  }

  #write(bytes: Uint8Array<ArrayBuffer>): boolean {
    const res = this.#res;
    if ("stream" in res) return res.write(asBuffer(bytes));
    // An empty chunk would be the last one; what is large costs more to copy than the pieces do.
    const socket = bytes.length > 0 && bytes.length < LARGE ? chunkedSocketOf(res) : undefined;
    if (socket === undefined) return res.write(asBuffer(bytes));
    const hasRoom = socket.write(asChunk(bytes));
    // Node says so of writes to the response alone.
    if (!hasRoom) socket.once("drain", () => res.emit("drain"));
    return hasRoom;
  }
}

/** In bytes. */
const LARGE = 16 * 1024;

function isClosing({ socket }: ServerResponse): boolean {
  const server: unknown = socket !== null && "server" in socket ? socket.server : undefined;
  return server instanceof Server && !server.listening;
}

/** No framework or middleware has set a header, or waits to be told of them. */
function isUntouched(res: ServerResponse): boolean {
  return res.getHeaderNames().length === 0 && !Object.hasOwn(res, "writeHead");
}

/** One by one, over what the framework or a middleware has set: the rest of theirs survives. */
function setHeaders(res: NodeResponse, headers: Headers): void {
  // Of the body that would have been sent in place of this one.
  res.removeHeader("content-length");
  headers.forEach((value, name) => {
    if (name !== "set-cookie") res.setHeader(name, value);
  });
  for (const cookie of headers.getSetCookie()) appendCookie(res, cookie);
}

const flattened = new WeakMap<Headers, string[]>();

/** Names and values, one after another: made once for all responses that have the same. */
function flat(headers: Headers): string[] {
  const known = flattened.get(headers);
  if (known !== undefined) return known;
  const names: string[] = [];
  headers.forEach((value, name) => names.push(name, value));
  flattened.set(headers, names);
  return names;
}

/** A compressing middleware holds bytes back until it is told not to. */
export function flush(res: NodeResponse): void {
  if ("flush" in res && typeof res.flush === "function") res.flush();
}

/** A stream has keep-alive and a write deadline of its own: how long requests may be idle is no measure for it. */
export function outliveIdleLimit(res: NodeResponse): void {
  if (!("stream" in res) && res.socket?.timeout === 0) return;
  // With a listener, which the responses of some test tools insist on.
  res.setTimeout(0, nothing);
}

function nothing(): void {}

/** Nobody is left to answer. */
export function isOver(res: NodeResponse): boolean {
  if ("stream" in res) return res.stream === undefined || res.stream.destroyed;
  return res.destroyed || (isPipelined(res) && res.req.socket.destroyed);
}

/** It waits for its turn, behind the response to an earlier request of the same connection. */
function isPipelined(res: ServerResponse): boolean {
  return res.socket === null && !res.writableFinished;
}

/** Tells the writer what Node notices. */
export function watch(res: NodeResponse, writer: Writer): void {
  const body = "stream" in res ? res.stream : res;
  body.on("finish", () => writer.drained());
  // The response's own events: after a body parser, the request has closed long before the client leaves.
  res.on("drain", () => writer.drained());
  res.on("close", () => writer.gone());
  res.on("error", () => writer.gone("write-failed"));
  if (!("stream" in res) && isPipelined(res)) watchSocket(res, writer);
}

/** The writers of responses that wait for their turn, by connection: one listener for all, however many a client asks for. */
const pipelined = new WeakMap<Socket, Set<Writer>>();

/** Before Node 24, a response that waits for its turn is not told that the client has left. */
function watchSocket(res: ServerResponse, writer: Writer): void {
  const { socket } = res.req;
  const waiting = pipelined.get(socket) ?? new Set();
  waiting.add(writer);
  res.once("socket", () => waiting.delete(writer));
  if (pipelined.has(socket)) return;
  pipelined.set(socket, waiting);
  socket.once("close", () => {
    for (const each of waiting) each.gone();
  });
}

function appendCookie(res: NodeResponse, cookie: string): void {
  const earlier = res.getHeader("set-cookie") ?? [];
  res.setHeader("set-cookie", [...(Array.isArray(earlier) ? earlier : [String(earlier)]), cookie]);
}
