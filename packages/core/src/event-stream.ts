import type { EventStreamOptions } from "./options.ts";
import { createResponder } from "./respond.ts";
import type { Responder } from "./respond.ts";
import type { Source } from "./source.ts";
import type { Sink, SinkEnd, Writer } from "./writer.ts";
import { isFetchRequest, refuseCall } from "./wrong-call.ts";

/** `connection.native` where the platform's handler takes a `Request`. */
export interface FetchNative {
  readonly request: Request;
}

/**
 * Makes a handler that answers a `Request` with an event stream, for every platform that takes a `Response`.
 *
 * @param source called once for each connection; returns a generator, an iterable or a `ReadableStream` of events, which
 * is pulled only when the client has room, or nothing, when it has used `connection.send()`
 * @param options each with a default that is right for most
 * @throws {SluiceError} at once, `invalid-source` or `invalid-option`; the handler itself never rejects, unless
 * `otherwise` does, and throws `invalid-state` where it is called with anything but a `Request`
 *
 * @example
 * ```ts
 * import { eventStream } from "@sluice/core";
 *
 * const handler = eventStream(async function* ({ signal }) {
 *   for (let count = 1; count <= 3 && !signal.aborted; count++) yield { event: "count", data: { count } };
 * });
 * const response = await handler(new Request("http://localhost/", { method: "POST" }));
 * console.assert((await response.text()).includes('event: count\ndata: {"count":3}\n\n'));
 * ```
 */
export function eventStream(
  source: Source<FetchNative>,
  options: EventStreamOptions<FetchNative> = {},
): (request: Request) => Promise<Response> {
  const responder = createResponder(source, options);
  return (request, ...others: unknown[]) =>
    isFetchRequest(request)
      ? respondWithStream(responder, request, { request }, { signal: request.signal }).response
      : refuseCall({ from: "@sluice/core", takes: "a Request" }, [request, ...others]);
}

/** What a platform tells, and wants to be told, beside the body of its `Response`. */
export interface StreamingOptions {
  /** Aborts when the client has gone, where the platform says so before it cancels the body. */
  readonly signal?: AbortSignal | undefined;
  /** Called before the response ends cleanly, while the platform still knows its connection. */
  readonly onEnd?: (() => void) | undefined;
  /** Called when the body has been broken off, for platforms that keep the connection all the same. */
  readonly onAbort?: (() => void) | undefined;
}

/** A `Response` on its way. */
export interface StreamingResponse {
  /** What the platform waits for. Rejects only where `otherwise` does. */
  readonly response: Promise<Response>;
  /** The connection's, for what the platform tells otherwise than by `signal`; none where there is no connection. */
  readonly writer: Pick<Writer, "gone"> | undefined;
  /** Resolves when the connection is over and its source has stopped. Never rejects. */
  readonly done: Promise<void>;
}

/**
 * Answers one `Request` with a responder: for adapters of platforms that take a `Response`.
 *
 * @param native what the source finds in `connection.native`
 *
 * @example
 * ```ts
 * import { createResponder, respondWithStream } from "@sluice/core";
 *
 * const responder = createResponder(() => [{ data: "hello" }]);
 * const request = new Request("http://localhost/", { method: "POST" });
 * const { response, done } = respondWithStream(responder, request, { request }, { signal: request.signal });
 * console.assert((await (await response).text()).endsWith("data: hello\n\n"));
 * await done;
 * ```
 */
export function respondWithStream<Native>(
  responder: Responder<Native>,
  request: Request,
  native: Native,
  options: StreamingOptions = {},
): StreamingResponse {
  const { method, headers } = request;
  const { signal } = options;
  if (responder.passesOn(request)) return answered(passOn(responder, native));
  if (signal?.aborted === true) return answered(Promise.resolve(goneResponse()));
  const sink = new ResponseSink(method, options);
  const writer = responder.respond({ method, url: new URL(request.url), headers, native }, sink);
  sink.connect(writer);
  const gone = (): void => writer.gone();
  signal?.addEventListener("abort", gone, { once: true });
  if (signal !== undefined) void writer.closed.then(() => signal.removeEventListener("abort", gone));
  return { response: sink.response, writer, done: writer.done };
}

async function passOn<Native>(responder: Responder<Native>, native: Native): Promise<Response> {
  return (await responder.otherwise(native)) as Response;
}

/** Without a stream. */
function answered(response: Promise<Response>): StreamingResponse {
  const ignore = (): void => {};
  return { response, writer: undefined, done: response.then(ignore, ignore) };
}

type Controller = ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;

/**
 * A `Sink` that becomes the body of a `Response`.
 *
 * While the runtime waits for bytes, each write goes through the stream at once, and `pull()` stays under way: the stream
 * would call it once or twice for every write. It comes to its end, so that it is called again, when there is need to know
 * that the runtime asks for more: when a write had to stay in the stream, and at the end.
 */
class ResponseSink implements Sink {
  readonly response: Promise<Response>;
  /** The last write, until the runtime is seen to ask for more: then it has passed that on. */
  buffered = 0;

  readonly #method: string;
  readonly #options: StreamingOptions;
  #respond!: (response: Response) => void;
  #controller: Controller | undefined = undefined;
  #writer: Writer | undefined = undefined;
  #endPull: (() => void) | undefined = undefined;
  #ending: SinkEnd | undefined = undefined;

  constructor(method: string, options: StreamingOptions) {
    this.#method = method;
    this.#options = options;
    this.response = new Promise((resolve) => {
      this.#respond = resolve;
    });
  }

  connect(writer: Writer): void {
    this.#writer = writer;
    // A client that leaves while it is being authorised gets no answer, but the platform's promise must settle.
    void writer.closed.then(() => this.#respond(goneResponse()));
  }

  open(status: number, headers: Headers, text?: string): void {
    const hasStream = status === 200 && this.#method !== "HEAD";
    this.#respond(new Response(hasStream ? this.#body() : (text ?? null), { status, headers }));
  }

  write(bytes: Uint8Array<ArrayBuffer>): boolean {
    const controller = this.#controller as Controller;
    this.buffered = bytes.length;
    // Beside them may lie other events; and whoever is given them may transfer their buffer. What is large is shared all the
    // same: thousands of clients that stall would keep a copy each.
    const isPart = bytes.length < bytes.buffer.byteLength;
    controller.enqueue(isPart || bytes.length < LARGE ? bytes.slice() : bytes);
    if (controller.desiredSize === 0) return true;
    this.#endPull?.();
    return false;
  }

  end(how: SinkEnd): void {
    if (this.buffered === 0) return this.#close(how);
    this.#ending = how;
    this.#endPull?.();
  }

  abort(): void {
    this.#controller?.error(new Error("The event stream was broken off"));
    this.#options.onAbort?.();
  }

  // highWaterMark 0: pull() is called only while the runtime waits for bytes, and what it does not wait for makes
  // `desiredSize` negative. Never `type: "bytes"`, which detaches the buffers that it is given.
  #body(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => this.#pull(),
        cancel: () => this.#writer?.gone(),
      },
      { highWaterMark: 0 },
    );
  }

  #pull(): Promise<void> | undefined {
    this.#endPull = undefined;
    this.buffered = 0;
    if (this.#ending !== undefined) this.#close(this.#ending);
    this.#writer?.drained();
    // What has been written now may have to stay in the stream, or be the last.
    if (this.#controller?.desiredSize !== 0 || this.#ending !== undefined) return undefined;
    return new Promise((resolve) => {
      this.#endPull = resolve;
    });
  }

  #close(how: SinkEnd): void {
    // An error drops what the runtime has taken and not yet sent. The process waits for this: somebody reads the body.
    if (how === "broken") return void setTimeout(() => this.abort(), LAST_BYTES);
    this.#options.onEnd?.();
    this.#controller?.close();
  }
}

/** In ms: what a runtime needs to send what it has taken. */
const LAST_BYTES = 100;

/** In bytes. */
const LARGE = 16 * 1024;

/** For a client that has left: nobody sees it. */
function goneResponse(): Response {
  return new Response(null, { status: 499 });
}
