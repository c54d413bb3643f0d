import type { ServerResponse } from "node:http";
import { Server } from "node:net";
import type { Http2ServerResponse } from "node:http2";
import { SluiceError } from "@sluice/core";
import type { CloseReason, Exchange, Responder, RespondingWriter, Sink, SinkEnd } from "@sluice/core";
import { breakOff, reset } from "./break-off.ts";
import { asBuffer, asChunk, chunkedSocketOf } from "./chunk.ts";
import { isWaiting } from "./turn.ts";
import type { UnreadBody } from "./unread-body.ts";

export type NodeResponse = ServerResponse | Http2ServerResponse;

/** A `Sink` that writes to Node's response. */
export class ResponseSink implements Sink {
  readonly #res: NodeResponse;
  /** The response was ended by its stream. */
  protected hasEnded = false;
  #writer: RespondingWriter | undefined = undefined;
  #isOpen = false;
  #taken: SluiceError | undefined = undefined;
  /** The body of a refusal. */
  #text: string | undefined = undefined;

  constructor(res: NodeResponse) {
    this.#res = res;
  }

  /** Tells the writer what Node notices. */
  protected watch(writer: RespondingWriter): void {
    this.#writer = writer;
    const res = this.#res;
    const body = "stream" in res ? res.stream : res;
    body.on("finish", () => (this.#isTaken ? this.#gone() : writer.drained()));
    // The response's own events: after a body parser, the request has closed long before the client leaves.
    res.on("drain", () => writer.drained());
    res.on("close", () => this.#gone());
    res.on("error", () => this.#gone("write-failed"));
  }

  /**
   * Runs the responder for a response that has its turn.
   *
   * @param body of the request, where nobody has read it yet
   * @returns undefined where somebody else has begun the response: `onError` is told
   */
  respond<Native>(
    responder: Responder<Native>,
    exchange: Exchange<Native>,
    body: UnreadBody | undefined,
  ): RespondingWriter | undefined {
    const taken = takenError(this.#res);
    if (taken !== undefined) {
      responder.reject(exchange, taken);
      // What was only begun would never end.
      if (!this.#res.writableEnded) cutOff(this.#res);
      return undefined;
    }
    const writer = responder.respond(exchange, this);
    if (body !== undefined) body.writer = writer;
    this.watch(writer);
    return writer;
  }

  get buffered(): number {
    return "stream" in this.#res ? (this.#res.stream?.writableLength ?? 0) : this.#res.writableLength;
  }

  open(status: number, headers: Headers, text?: string): void {
    const res = this.#res;
    this.refuseTaken();
    this.#isOpen = true;
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
    if (this.#isTaken) {
      this.#gone();
      return false;
    }
    const hasRoom = this.#write(bytes);
    flush(this.#res);
    return hasRoom;
  }

  end(how: SinkEnd): void {
    if (this.#taken !== undefined) return this.abort();
    this.hasEnded = true;
    if (how === "broken") breakOff(this.#res);
    else this.#res.end(this.#text ?? "");
  }

  abort(): void {
    // A whole answer of somebody else's may still be on its way.
    if (!this.#isTaken) cutOff(this.#res);
  }

  /** @throws {SluiceError} `invalid-state` where somebody else has begun the response */
  protected refuseTaken(): void {
    this.#taken ??= takenError(this.#res);
    if (this.#taken !== undefined) throw this.#taken;
  }

  /** Nothing of the stream has been sent yet. */
  protected get isUnsent(): boolean {
    return !this.#isOpen;
  }

  /** Somebody else has ended the response. */
  get #isTaken(): boolean {
    return this.#res.writableEnded && !this.hasEnded;
  }

  #gone(reason?: CloseReason): void {
    const writer = this.#writer;
    if (writer === undefined || writer.reason !== undefined) return;
    // Timeouts and error handlers answer with an error in place of a stream, and that is told by them.
    if (!this.#isTaken || (this.isUnsent && this.#res.statusCode >= 400)) return writer.gone(reason);
    writer.report(takenError(this.#res));
    writer.gone("write-failed");
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

/** Breaks a response off at once, so that nobody takes it for a whole one. */
function cutOff(res: NodeResponse): void {
  if (!("stream" in res)) res.destroy();
  else if (res.stream !== undefined) reset(res.stream);
}

/** The client has left before there was an answer. */
export function isOver(res: NodeResponse): boolean {
  if (res.writableEnded) return false;
  if ("stream" in res) return res.stream === undefined || res.stream.destroyed || res.stream.closed;
  return res.destroyed || (isWaiting(res) ? res.req.socket : res.socket)?.destroyed === true;
}

/** Why a response cannot be an event stream; undefined where nobody has begun it. */
function takenError(res: NodeResponse): SluiceError | undefined {
  if (!res.headersSent && !res.writableEnded) return undefined;
  const problem = res.writableEnded
    ? "the response was ended by somebody else; return from the source to end the stream, and refuse clients in authorize, without res.end()"
    : "the response was begun by somebody else; set headers without sending them, or with the option headers";
  return new SluiceError("invalid-state", `Cannot stream events: ${problem}`);
}

function appendCookie(res: NodeResponse, cookie: string): void {
  const earlier = res.getHeader("set-cookie") ?? [];
  res.setHeader("set-cookie", [...(Array.isArray(earlier) ? earlier : [String(earlier)]), cookie]);
}
