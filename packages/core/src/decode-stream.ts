import { createDecoder } from "./decode.ts";
import type { DecodedEvent, DecodeOptions, Decoder } from "./decode.ts";
import { SluiceError, show } from "./errors.ts";

/**
 * Bytes of an event stream in, events out: one `TransformStream` stage around {@link createDecoder}.
 *
 * Passing a limit errors the stream with a `SluiceError` `too-large`.
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

  constructor(options: DecodeOptions = {}) {
    let out: TransformStreamDefaultController<DecodedEvent>;
    const decoder = createDecoder({ ...options, onEvent: (event) => out.enqueue(event) });
    super({
      start(controller): void {
        out = controller;
      },
      transform(chunk): void {
        decoder.push(chunk);
      },
      flush(): void {
        decoder.end();
      },
    });
    this.#decoder = decoder;
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

/** What {@link decodeEventStream} reads: a response, its body, or anything that yields chunks. */
export type EventStreamBody = Response | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array | ArrayBuffer | string>;

/** Options of {@link decodeEventStream}. */
export interface DecodeEventStreamOptions<Data = string> extends DecodeOptions {
  /** Makes `data` of the text, for instance `JSON.parse`. Default: the text itself. */
  readonly parse?: ((data: string) => Data) | undefined;
  /** The data that says the stream is over, such as `"[DONE]"`: the iteration ends there, and it is not yielded. */
  readonly sentinel?: string | undefined;
  /** Cancels the body, and rejects the read that waits with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads an event stream as an async iterable of its events, with the backpressure of the body: nothing is read before
 * it is asked for. Leaving the loop, an error or the sentinel cancels the body.
 *
 * @param body a `Response` (its status must be 2xx and its type `text/event-stream`), or chunks, whatever they came from
 * @param options limits, `parse`, a `sentinel` and a `signal`
 * @throws {SluiceError} at once `invalid-response` or `invalid-option`; from the iteration `too-large`, and `invalid-data`
 * where `parse` threw
 *
 * @example
 * ```ts
 * import { decodeEventStream } from "@sluice/core";
 *
 * const response = new Response('data: {"token":"Hi"}\n\ndata: [DONE]\n\n', {
 *   headers: { "Content-Type": "text/event-stream" },
 * });
 * let text = "";
 * for await (const { data } of decodeEventStream(response, { parse: JSON.parse, sentinel: "[DONE]" })) {
 *   text += data.token;
 * }
 * console.assert(text === "Hi");
 * ```
 */
export function decodeEventStream<Data = string>(
  body: EventStreamBody,
  options: DecodeEventStreamOptions<Data> = {},
): AsyncIterableIterator<DecodedEvent<Data>, undefined, undefined> {
  return new EventStreamIterator<Data>(chunksOf(body), options);
}

type Chunk = Uint8Array | ArrayBuffer | string;

/** Where chunks come from: the few members that a stream's reader and an async iterator have in common. */
interface Chunks {
  next(): Promise<{ readonly done?: boolean | undefined; readonly value?: Chunk | undefined }>;
  cancel(reason?: unknown): Promise<unknown>;
}

// Written by hand, with a queue: an async generator takes a third more time for the same events.
class EventStreamIterator<Data> implements AsyncIterableIterator<DecodedEvent<Data>, undefined, undefined> {
  readonly #chunks: Chunks;
  readonly #decoder: Decoder;
  readonly #parse: ((data: string) => Data) | undefined;
  readonly #sentinel: string | undefined;
  readonly #signal: AbortSignal | undefined;

  /** Events of the chunks that were read; the queue holds what one chunk contained, and is refilled when empty. */
  #queue: DecodedEvent[] = [];
  #at = 0;
  /** No chunk will be read any more; the queue may still hold events. */
  #drained = false;
  #failure: { readonly error: unknown } | undefined = undefined;
  #reading: Promise<IteratorResult<DecodedEvent<Data>, undefined>> | undefined = undefined;
  #interrupt: ((error: unknown) => void) | undefined = undefined;

  constructor(chunks: Chunks, options: DecodeEventStreamOptions<Data>) {
    const { parse, sentinel, signal, ...decoderOptions } = options;
    this.#decoder = createDecoder({ ...decoderOptions, onEvent: (event) => this.#queue.push(event) });
    this.#chunks = chunks;
    this.#parse = parse;
    this.#sentinel = sentinel;
    this.#signal = signal;
    if (signal?.aborted === true) this.#onAbort();
    else signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<DecodedEvent<Data>, undefined>> {
    if (this.#reading === undefined && this.#at < this.#queue.length) {
      try {
        return Promise.resolve(this.#shift());
      } catch (error) {
        return Promise.reject(error);
      }
    }
    // Calls that overlap are answered in order.
    const turn =
      this.#reading === undefined
        ? this.#read()
        : this.#reading.then(
            () => this.#read(),
            () => this.#read(),
          );
    this.#reading = turn;
    const settled = (): void => {
      if (this.#reading === turn) this.#reading = undefined;
    };
    turn.then(settled, settled);
    return turn;
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#queue = [];
    this.#at = 0;
    await this.#cancel();
    return DONE;
  }

  async #read(): Promise<IteratorResult<DecodedEvent<Data>, undefined>> {
    while (this.#at === this.#queue.length) {
      if (this.#failure !== undefined) {
        const { error } = this.#failure;
        this.#failure = undefined;
        throw error;
      }
      if (this.#drained) return DONE;
      this.#queue = [];
      this.#at = 0;
      await this.#fill();
    }
    return this.#shift();
  }

  /** Decodes one more chunk into the queue. A failure is kept until the events before it have been read. */
  async #fill(): Promise<void> {
    try {
      const { done, value } = await this.#nextChunk();
      if (this.#drained) return;
      if (done === true) {
        this.#drained = true;
        this.#release();
        this.#decoder.end();
      } else if (value !== undefined) {
        this.#decoder.push(value);
      }
    } catch (error) {
      this.#failure ??= { error };
      await this.#cancel(error);
    }
  }

  #nextChunk(): ReturnType<Chunks["next"]> {
    if (this.#signal === undefined) return this.#chunks.next();
    return new Promise((resolve, reject) => {
      this.#interrupt = reject;
      this.#chunks.next().then(resolve, reject);
    });
  }

  #shift(): IteratorResult<DecodedEvent<Data>, undefined> {
    const event = this.#queue[this.#at++] as DecodedEvent;
    if (event.data === this.#sentinel) {
      this.#queue = [];
      this.#at = 0;
      void this.#cancel();
      return DONE;
    }
    if (this.#parse === undefined) return { done: false, value: event as DecodedEvent<Data> };
    try {
      return { done: false, value: { ...event, data: this.#parse(event.data) } };
    } catch (cause) {
      this.#queue = [];
      this.#at = 0;
      const error = new SluiceError(
        "invalid-data",
        `Cannot parse data of event: ${show(event.data)}; does the stream end with a sentinel that should be an option?`,
        { cause },
      );
      void this.#cancel(error);
      throw error;
    }
  }

  readonly #onAbort = (): void => {
    const error: unknown = this.#signal?.reason;
    this.#queue = [];
    this.#at = 0;
    this.#failure = { error };
    this.#interrupt?.(error);
    void this.#cancel(error);
  };

  /** Never rejects: whoever leaves the loop has no use for a body's complaint. */
  async #cancel(reason?: unknown): Promise<void> {
    if (this.#drained) return;
    this.#drained = true;
    this.#release();
    try {
      await this.#chunks.cancel(reason);
    } catch {}
  }

  #release(): void {
    this.#interrupt = undefined;
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

function chunksOf(body: unknown): Chunks {
  if (isObject(body) && "body" in body && "headers" in body) return chunksOfResponse(body as Response);
  if (isObject(body) && "getReader" in body) {
    const reader = (body as ReadableStream<Chunk>).getReader();
    return { next: () => reader.read(), cancel: (reason) => reader.cancel(reason) };
  }
  if (isObject(body) && Symbol.asyncIterator in body) {
    const iterator = (body as AsyncIterable<Chunk>)[Symbol.asyncIterator]();
    return { next: () => iterator.next(), cancel: async () => iterator.return?.() };
  }
  throw new SluiceError(
    "invalid-option",
    `Cannot decode event stream: expected a Response, a ReadableStream or an async iterable of chunks, got ${show(body)}`,
    { option: "body" },
  );
}

function chunksOfResponse(response: Response): Chunks {
  const type = response.headers.get("Content-Type");
  const { status, body } = response;
  const isEventStream = type !== null && /^\s*text\/event-stream\s*(;|$)/i.test(type);
  if (status >= 200 && status <= 299 && isEventStream && body !== null) return chunksOf(body);
  throw new SluiceError(
    "invalid-response",
    `Cannot decode event stream: the response has status ${status} and type ${type === null ? "none" : show(type)}; ` +
      "expected 2xx and text/event-stream; where the type is wrong but the content right, pass response.body",
  );
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
