import { Readable } from "node:stream";
import type { Exchange, Responder, RespondingWriter, SinkEnd, Writer } from "@sluice/core";
import { flush, isOver, outliveIdleLimit, ResponseSink } from "./response-sink.ts";
import type { NodeResponse } from "./response-sink.ts";
import { isWaiting, turnOf } from "./turn.ts";
import { UnreadBody } from "./unread-body.ts";

/** What a framework is to answer a request with. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /**
   * The event stream, to be piped to the response; ended, for HEAD. Or the text of a refusal; undefined where the status says
   * all.
   */
  readonly body: Readable | string | undefined;
  /** The connection's: a server that closes calls `end("drained")`. */
  readonly writer: Writer;
}

/**
 * Answers one request with a responder of core through a framework that sends the response itself: for adapters of
 * frameworks whose middleware or hooks still set headers after the handler (sessions, cookies).
 *
 * Nothing is written to `res`. The source is pulled only while the body is. A request that was pipelined waits until its
 * response has the socket.
 *
 * @param res the response that the framework will pipe the body to: that the client takes it, or leaves, is seen there
 * @returns resolves when it is known what to answer: after `authorize`, and for a channel after its first read. Undefined
 * where the client has left. Never rejects
 *
 * @example
 * ```ts ignore
 * // The core of a framework's adapter; `ctx` is what its handler was given.
 * const answer = await openBody(responder, exchangeOf(ctx.req, { ctx }), ctx.res);
 * if (answer !== undefined) ctx.body = answer.body;
 * ```
 */
export async function openBody<Native>(
  responder: Responder<Native>,
  exchange: Exchange<Native>,
  res: NodeResponse,
): Promise<Answer | undefined> {
  // The client may have left while a middleware worked: nothing is run for it.
  if (isOver(res)) return undefined;
  const body = UnreadBody.of(res.req);
  if (isWaiting(res) && (!(await turnOf(res)) || isOver(res))) return undefined;
  const sink = new BodySink(res);
  const writer = sink.respond(responder, exchange, body);
  if (writer === undefined) return undefined;
  const opening = await sink.opened;
  if (opening?.body instanceof Readable) outliveIdleLimit(res);
  return opening && { ...opening, writer };
}

/** A `Sink` that becomes the body of a framework's answer. */
class BodySink extends ResponseSink {
  /** Undefined where the client has left before. */
  readonly opened: Promise<Omit<Answer, "writer"> | undefined>;

  #open!: (opening: Omit<Answer, "writer"> | undefined) => void;
  #writer: Writer | undefined = undefined;
  readonly #res: NodeResponse;
  readonly #body: Readable;
  #isPipedToResponse = false;

  constructor(res: NodeResponse) {
    super(res);
    this.#res = res;
    this.opened = new Promise((resolve) => {
      this.#open = resolve;
    });
    this.#body = new Readable({
      // Whoever reads takes all there is: what waits belongs in the writer.
      highWaterMark: 0,
      read: () => {
        flush(res);
        this.#writer?.drained();
      },
    });
    res.once("pipe", (source) => {
      this.#isPipedToResponse = source === this.#body;
    });
  }

  protected override get isUnsent(): boolean {
    return !this.#isPipedToResponse;
  }

  override get buffered(): number {
    return super.buffered + this.#body.readableLength;
  }

  protected override watch(writer: RespondingWriter): void {
    super.watch(writer);
    this.#writer = writer;
    void writer.closed.then(() => this.#open(undefined));
  }

  override open(status: number, headers: Headers, text?: string): void {
    this.refuseTaken();
    if (status === 200) outliveIdleLimit(this.#res);
    this.#open({ status, headers, body: status === 200 ? this.#body : text });
  }

  override write(bytes: Uint8Array<ArrayBuffer>): boolean {
    // Where the body is piped straight to the response and nobody else listens, the pipe is left out: an eighth less CPU.
    const isDirect = this.#isPipedToResponse && this.#body.readableLength === 0;
    if (isDirect && this.#body.listenerCount("data") === 1) return super.write(bytes);
    return this.#body.push(bytes) && !this.#body.isPaused();
  }

  override end(how: SinkEnd): void {
    this.hasEnded = true;
    if (how === "broken") this.#breakOffAtEnd();
    this.#body.push(null);
  }

  /** What the body is piped through still passes on what it holds, and then ends the response. */
  #breakOffAtEnd(): void {
    const res = this.#res;
    const end = (): NodeResponse => {
      super.end("broken");
      return res;
    };
    Object.assign(res, { end });
  }
}
