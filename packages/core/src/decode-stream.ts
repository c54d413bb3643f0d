import { AbortListener } from "./abandoned.ts";
import { aDuration, aFunction, anAbortSignal, aString, checkOptions } from "./check-options.ts";
import type { Rule } from "./check-options.ts";
import { createDecoder, decodeRules } from "./decode.ts";
import type { DecodedEvent, DecodeOptions, Decoder } from "./decode.ts";
import { isPromise, SluiceError, show } from "./errors.ts";
import { ignoreRejection } from "./guard.ts";
import { mimeTypeOf } from "./mime-type.ts";
import { nextTurn, startTimer } from "./timer.ts";
import { Pace } from "./turns.ts";

/**
 * Bytes of an event stream in, events out: one `TransformStream` stage around {@link createDecoder}.
 *
 * Passing a limit errors the stream with a `SluiceError` `too-large`; with `unfinished: "throw"`, a stream that ends
 * inside an event errors with `unfinished`, behind the events before it.
 *
 * @example
 * ```ts
 * import { EventDecoderStream } from "@sluice/core";
 *
 * const body = new Response("id: 9\ndata: one\n\n").body!;
 * const { value } = await body.pipeThrough(new EventDecoderStream()).getReader().read();
 * console.assert(value?.data === "one" && value.id === "9");
 * ```
 */
export class EventDecoderStream extends TransformStream<Uint8Array | ArrayBuffer | string, DecodedEvent> {
  readonly #decoder: Decoder;
  readonly #readable: ReadableStream<DecodedEvent>;

  constructor(options: DecodeOptions = {}) {
    let out: TransformStreamDefaultController<DecodedEvent>;
    let failure: unknown;
    const decoder = createDecoder({ ...options, onEvent: (event) => out.enqueue(event) });
    super({
      start(controller): void {
        out = controller;
      },
      transform(chunk): void {
        decoder.push(chunk);
      },
      flush(): void {
        try {
          decoder.end();
        } catch (error) {
          if (options.unfinished !== "throw") throw error;
          failure = error;
        }
      },
    });
    this.#decoder = decoder;
    this.#readable = options.unfinished === "throw" ? failingWith(super.readable, () => failure) : super.readable;
  }

  override get readable(): ReadableStream<DecodedEvent> {
    return this.#readable;
  }

  /** The last event ID of the stream so far. */
  get lastEventId(): string {
    return this.#decoder.lastEventId;
  }

  /** The reconnection time in ms, `undefined` until the stream sets one. */
  get reconnectionTime(): number | undefined {
    return this.#decoder.reconnectionTime;
  }
}

/** The events, and then the failure if there is one: what `flush` throws drops the events that have not been read. */
function failingWith(events: ReadableStream<DecodedEvent>, failure: () => unknown): ReadableStream<DecodedEvent> {
  const reader = events.getReader();
  return new ReadableStream<DecodedEvent>(
    {
      async pull(controller): Promise<void> {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        const error = failure();
        if (error === undefined) controller.close();
        else controller.error(error);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

/** What {@link decodeEventStream} reads: a response, its body, or anything that yields chunks. */
export type EventStreamBody = Response | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array | ArrayBuffer | string>;

/**
 * The event that `parse` is called for. Its type is a function's, too, which throws when it is called, so that
 * `JSON.parse` fits, whose second parameter is a function.
 */
type EventToParse = DecodedEvent & ((key: string, value: unknown) => never);

/** Options of {@link decodeEventStream}. */
export interface DecodeEventStreamOptions<Data = string> extends DecodeOptions {
  /**
   * Makes `data` of the text, for instance `JSON.parse`. Gets the whole event as its second argument, and leaves an
   * event out by returning `undefined`. Not called for empty data, which is not JSON: such events are left out.
   * Default: the text itself.
   */
  readonly parse?: ((data: string, event: EventToParse) => Data | undefined) | undefined;
  /** The data that says the stream is over, such as `"[DONE]"`: the iteration ends there, and it is not yielded. */
  readonly sentinel?: string | undefined;
  /**
   * How long a read waits for a byte, in ms, before the body is cancelled and the read rejects with `idle`; a keep-alive
   * comment is bytes, too. `false`, the default, waits for ever.
   */
  readonly idle?: number | false | undefined;
  /** Cancels the body, drops what was not read yet, and rejects the read that waits, or the next, with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@link decodeEventStream} yields: `parse` leaves an event out by returning `undefined`. */
type YieldedEvent<Data> = DecodedEvent<Exclude<Data, undefined>>;

/**
 * Reads an event stream as an async iterable of its events, with the backpressure of the body: nothing is read before
 * it is asked for. Leaving the loop, an error or the sentinel cancels the body.
 *
 * Callbacks such as `onId` run when a chunk is decoded, ahead of the loop by at most that chunk: where the loop has got
 * to is in the `id` of the event it has.
 *
 * A loop that never has to wait gives everything else in the process a turn every few ms.
 *
 * @param body a `Response` (its status must be 2xx and its type `text/event-stream`), or chunks, whatever they came from
 * @param options limits, `parse`, a `sentinel`, `idle` and a `signal`
 * @throws {SluiceError} at once `invalid-response` or `invalid-option`; from the iteration `too-large`, `invalid-data`
 * where `parse` threw, and, where the options ask for them, `unfinished` and `idle`
 *
 * @example
 * ```ts
 * import { decodeEventStream } from "@sluice/core";
 *
 * const response = new Response('data: {"token":"Hi"}\n\nevent: ping\ndata: pong\n\ndata: [DONE]\n\n', {
 *   headers: { "Content-Type": "text/event-stream" },
 * });
 * const events = decodeEventStream(response, {
 *   parse: (data, { event }) => (event === "ping" ? undefined : JSON.parse(data)),
 *   sentinel: "[DONE]",
 *   unfinished: "throw",
 *   idle: 60_000,
 * });
 * let text = "";
 * for await (const { data } of events) text += data.token;
 * console.assert(text === "Hi");
 * ```
 */
export function decodeEventStream<Data = string>(
  body: EventStreamBody,
  options: DecodeEventStreamOptions<Data> = {},
): AsyncIterableIterator<YieldedEvent<Data>, undefined, undefined> {
  return new EventStreamIterator<Data>(body, options);
}

type Chunk = Uint8Array | ArrayBuffer | string;

/** Where chunks come from: the few members that a stream's reader and an async iterator have in common. */
interface Chunks {
  next(): Promise<{ readonly done?: boolean | undefined; readonly value?: Chunk | undefined }>;
  cancel(reason?: unknown): Promise<unknown>;
}

const rules: Readonly<Record<keyof DecodeEventStreamOptions, Rule>> = {
  ...decodeRules,
  parse: aFunction,
  sentinel: aString,
  idle: aDuration,
  signal: anAbortSignal,
};

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** The most that is decoded at once, in bytes or code units: what is larger must not keep everything else waiting. */
const PIECE = 65_536;

/** After so many steps the loop looks at the clock: an event is one, and so are 4 KiB that are decoded. */
const LOOK = 16;

type Result<Data> = IteratorResult<YieldedEvent<Data>, undefined>;

// Written by hand, with a queue: an async generator takes a third more time for the same events.
class EventStreamIterator<Data> implements AsyncIterableIterator<YieldedEvent<Data>, undefined, undefined> {
  /** Never used: as the decoder's. */
  static readonly kept: unknown = new EventStreamIterator({ async *[Symbol.asyncIterator]() {} }, {});

  readonly #chunks: Chunks;
  readonly #decoder: Decoder;
  readonly #parse: ((data: string, event: EventToParse) => Data | undefined) | undefined;
  readonly #sentinel: string | undefined;
  readonly #idle: number | false;
  readonly #signal: AbortSignal | undefined;
  readonly #listener: AbortListener | undefined = undefined;

  /** The events of the piece that was decoded last; it is refilled when it is empty. */
  #queue: DecodedEvent[] = [];
  #at = 0;
  /** What is left of a chunk that is decoded in pieces. */
  #rest: string | Uint8Array | undefined = undefined;
  /** Set once no chunk will be read any more: what the iteration ends with after the queue, nothing or an error. */
  #end: { readonly error?: unknown } | undefined = undefined;
  /** The answer to the last call of `next()`, while it waits. */
  #answer: Promise<Result<Data>> | undefined = undefined;
  /** Ends the read that waits, whether the body answers or not. */
  #interrupt: (() => void) | undefined = undefined;
  /** While a byte is waited for. */
  #stopClock: (() => void) | undefined = undefined;
  readonly #pace = new Pace();
  #stepsUntilLook = LOOK;

  constructor(body: EventStreamBody, options: DecodeEventStreamOptions<Data>) {
    checkOptions("Cannot decode event stream", options, rules);
    const { parse, sentinel, idle, signal, ...decoderOptions } = options;
    this.#decoder = createDecoder({ ...decoderOptions, onEvent: this.#onEvent });
    this.#parse = parse;
    this.#sentinel = sentinel;
    this.#idle = idle ?? false;
    this.#signal = signal;
    this.#chunks = chunksOf(body); // last, so that a wrong option leaves the body unlocked
    if (signal?.aborted === true) this.onAbort();
    else if (signal !== undefined) this.#listener = new AbortListener(signal, this);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Result<Data>> {
    if (this.#answer === undefined && this.#at < this.#queue.length && this.#hasTime()) {
      try {
        const result = this.#shift();
        if (result !== undefined) return Promise.resolve(result);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    // Calls that overlap are answered in order.
    const answer =
      this.#answer === undefined
        ? this.#read()
        : this.#answer.then(
            () => this.#read(),
            () => this.#read(),
          );
    const settled = (): void => {
      if (this.#answer !== answer) return;
      this.#answer = undefined;
      this.#listener?.letGo();
    };
    this.#answer = answer;
    this.#listener?.hold();
    answer.then(settled, settled);
    return answer;
  }

  // Not waited for: a body whose cancel() never settles would hold whoever leaves the loop.
  async return(): Promise<IteratorReturnResult<undefined>> {
    void this.#stop({});
    return DONE;
  }

  onAbort(): void {
    const error: unknown = this.#signal?.reason;
    void this.#stop({ error }, error);
  }

  async #read(): Promise<Result<Data>> {
    for (;;) {
      if (!this.#hasTime()) {
        await this.#pace.nextTurn();
        this.#stepsUntilLook = LOOK;
      }
      if (this.#at < this.#queue.length) {
        const result = this.#shift();
        if (result !== undefined) return result;
      } else {
        if (this.#end !== undefined) return this.#finish(this.#end);
        this.#queue = [];
        this.#at = 0;
        await this.#fill();
      }
    }
  }

  /** Whether there is time for one more step in this turn of the event loop. */
  #hasTime(): boolean {
    if (--this.#stepsUntilLook > 0) return true;
    if (this.#pace.isOver(LOOK)) return false;
    this.#stepsUntilLook = LOOK;
    return true;
  }

  /** Decodes one more piece into the queue. A failure waits until the events before it have been read. */
  async #fill(): Promise<void> {
    try {
      if (this.#rest !== undefined) return this.#push(this.#rest);
      const { done, value } = await this.#nextChunk();
      if (this.#idle !== false && (done === true || lengthOf(value) > 0)) this.#stopIdling();
      if (this.#end !== undefined) return;
      if (done === true) {
        this.#decoder.end();
        this.#end ??= {};
      } else if (value !== undefined) {
        this.#push(value);
      }
    } catch (error) {
      this.#stopIdling();
      if (this.#end !== undefined) return;
      this.#end = { error };
      void this.#cancel(error);
    }
  }

  #push(chunk: Chunk): void {
    const length = lengthOf(chunk);
    this.#stepsUntilLook -= Math.min(length, PIECE) >> 12;
    // Before anything is decoded: a callback may stop the iteration.
    this.#rest = length > PIECE ? slice(chunk, PIECE, length) : undefined;
    this.#decoder.push(length > PIECE ? slice(chunk, 0, PIECE) : chunk);
  }

  #nextChunk(): ReturnType<Chunks["next"]> {
    return new Promise((resolve, reject) => {
      this.#interrupt = () => resolve({ done: true });
      if (this.#idle !== false) this.#stopClock ??= startTimer(this.#idle, this.#onIdle);
      this.#chunks.next().then(resolve, reject);
    });
  }

  // Not at once: in a process that was busy for long, the timer is due before bytes that are there are read.
  readonly #onIdle = (): void => {
    const wait = this.#stopClock;
    nextTurn(() => {
      if (wait === undefined || this.#stopClock !== wait) return;
      const error = new SluiceError(
        "idle",
        `Cannot read event stream: no byte has come for ${this.#idle} ms; ask again, or raise idle above the time ` +
          "between two keep-alive comments of the server",
        { option: "idle" },
      );
      void this.#stop({ error }, error);
    });
  };

  #stopIdling(): void {
    this.#stopClock?.();
    this.#stopClock = undefined;
  }

  /** The next event of the queue; undefined where it is left out. */
  #shift(): Result<Data> | undefined {
    const event = this.#queue[this.#at++] as DecodedEvent;
    if (event.data === this.#sentinel) {
      void this.#stop({});
      return DONE;
    }
    if (this.#parse === undefined) return { done: false, value: event as YieldedEvent<Data> };
    const data = event.data === "" ? undefined : this.#parsed(this.#parse, event);
    return data === undefined ? undefined : { done: false, value: { ...event, data } as YieldedEvent<Data> };
  }

  #parsed(parse: (data: string, event: EventToParse) => Data | undefined, event: DecodedEvent): Data | undefined {
    try {
      const parsed = parse(event.data, event as EventToParse);
      if (!isPromise(parsed)) return parsed;
      ignoreRejection(parsed);
      throw new TypeError(
        "parse returned a promise; make it return the value at once, and await what is in it in the loop",
      );
    } catch (cause) {
      const error = new SluiceError(
        "invalid-data",
        `Cannot parse data of event ${show(event.event ?? "message")}: ${show(event.data)}; ` +
          "return undefined from parse for events that are not data, or name the last one in the option sentinel",
        { cause },
      );
      void this.#stop({}, error);
      throw error;
    }
  }

  #finish(end: { readonly error?: unknown }): IteratorReturnResult<undefined> {
    this.#end = {};
    this.#listener?.stop();
    if ("error" in end) throw end.error;
    return DONE;
  }

  // A callback of the decoder may stop the iteration while the decoder is still in the middle of a chunk.
  readonly #onEvent = (event: DecodedEvent): void => {
    if (this.#end === undefined) this.#queue.push(event);
  };

  /** Ends the iteration before the body has. */
  async #stop(end: { readonly error?: unknown }, reason?: unknown): Promise<void> {
    const bodyIsOver = this.#end !== undefined;
    this.#queue = [];
    this.#at = 0;
    this.#rest = undefined;
    this.#end = end;
    this.#listener?.stop();
    this.#stopIdling();
    this.#interrupt?.();
    if (!bodyIsOver) await this.#cancel(reason);
  }

  /** Never rejects: whoever leaves the loop has no use for a body's complaint. */
  async #cancel(reason: unknown): Promise<void> {
    try {
      await this.#chunks.cancel(reason);
    } catch {}
  }
}

/** In bytes or code units; 0 for what is not a chunk, which the decoder refuses. */
function lengthOf(chunk: unknown): number {
  if (typeof chunk === "string") return chunk.length;
  return ArrayBuffer.isView(chunk) || chunk instanceof ArrayBuffer ? chunk.byteLength : 0;
}

function slice(chunk: Chunk, start: number, end: number): string | Uint8Array {
  if (typeof chunk === "string") return chunk.slice(start, end);
  return chunk instanceof ArrayBuffer
    ? new Uint8Array(chunk, start, end - start)
    : new Uint8Array(chunk.buffer, chunk.byteOffset + start, end - start);
}

function chunksOf(body: unknown): Chunks {
  if (isResponse(body)) return chunksOfResponse(body);
  if (isObject(body) && "getReader" in body) {
    const reader = (body as ReadableStream<Chunk>).getReader();
    return { next: () => reader.read(), cancel: (reason) => reader.cancel(reason) };
  }
  if (isObject(body) && Symbol.asyncIterator in body) return chunksOfIterable(body as AsyncIterable<Chunk>);
  throw wrongOption("body", body, "a Response, a ReadableStream or an async iterable of chunks");
}

function chunksOfIterable(body: AsyncIterable<Chunk> & { destroy?: () => unknown }): Chunks {
  const iterator = body[Symbol.asyncIterator]();
  return {
    next: async () => iterator.next(),
    async cancel() {
      // A Node stream is destroyed first: its iterator's return() waits for the read that waits, and does nothing
      // before the first.
      body.destroy?.();
      await iterator.return?.();
    },
  };
}

function chunksOfResponse({ headers, status, body }: Response): Chunks {
  const header = headers.get("Content-Type");
  const isEventStream = header !== null && mimeTypeOf(header) === "text/event-stream";
  const isOK = status >= 200 && status <= 299;
  if (isOK && isEventStream && body !== null) return chunksOf(body);
  const type = header === null ? "no type" : `type ${show(header)}`;
  const advice = !isOK
    ? "expected status 2xx; look at response.ok first, and at response.text() for the reason"
    : isEventStream
      ? "expected a body; look at response.status first, as 204 says that there is nothing to read"
      : "expected type text/event-stream; if the type is wrong but the content right, pass response.body";
  throw new SluiceError(
    "invalid-response",
    `Cannot decode event stream: the response has status ${status} and ${type}; ${advice}`,
  );
}

function isResponse(value: unknown): value is Response {
  if (!isObject(value) || !("body" in value && "headers" in value)) return false;
  return "status" in value && isObject(value.headers) && "get" in value.headers;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function wrongOption(option: string, value: unknown, wanted: string): SluiceError {
  return new SluiceError(
    "invalid-option",
    `Cannot decode event stream: ${option} is ${show(value)}; make it ${wanted}`,
    {
      option,
    },
  );
}
