import { aFunction, anAbortSignal, aString, checkOptions } from "./check-options.ts";
import type { Rule } from "./check-options.ts";
import { createDecoder, decodeRules } from "./decode.ts";
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
  /** Cancels the body, drops what was not read yet, and rejects the read that waits, or the next, with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads an event stream as an async iterable of its events, with the backpressure of the body: nothing is read before
 * it is asked for. Leaving the loop, an error or the sentinel cancels the body.
 *
 * Callbacks such as `onId` run when a chunk is decoded, ahead of the loop by at most that chunk: where the loop has got
 * to is in the `id` of the event it has.
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
  return new EventStreamIterator<Data>(body, options);
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

  /** The events of the chunk that was read last; it is refilled when it is empty. */
  #queue: DecodedEvent[] = [];
  #at = 0;
  /** Set once no chunk will be read any more: what the iteration ends with after the queue, nothing or an error. */
  #end: { readonly error?: unknown } | undefined = undefined;
  /** The answer to the last call of `next()`, while it waits. */
  #answer: Promise<IteratorResult<DecodedEvent<Data>, undefined>> | undefined = undefined;
  /** Ends the read that waits, whether the body answers or not. */
  #interrupt: (() => void) | undefined = undefined;

  constructor(body: EventStreamBody, options: DecodeEventStreamOptions<Data>) {
    checkOptions("Cannot decode event stream", options, rules);
    const { parse, sentinel, signal, ...decoderOptions } = options;
    this.#decoder = createDecoder({ ...decoderOptions, onEvent: this.#onEvent });
    this.#parse = parse;
    this.#sentinel = sentinel;
    this.#signal = signal;
    this.#chunks = chunksOf(body); // last, so that a wrong option leaves the body unlocked
    if (signal?.aborted === true) this.#onAbort();
    else signal?.addEventListener("abort", this.#onAbort);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<DecodedEvent<Data>, undefined>> {
    if (this.#answer === undefined && this.#at < this.#queue.length) {
      try {
        return Promise.resolve(this.#shift());
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
      if (this.#answer === answer) this.#answer = undefined;
    };
    this.#answer = answer;
    answer.then(settled, settled);
    return answer;
  }

  // Not waited for: a body whose cancel() never settles would hold whoever leaves the loop.
  async return(): Promise<IteratorReturnResult<undefined>> {
    void this.#stop({});
    return DONE;
  }

  async #read(): Promise<IteratorResult<DecodedEvent<Data>, undefined>> {
    while (this.#at === this.#queue.length) {
      if (this.#end !== undefined) return this.#finish(this.#end);
      this.#queue = [];
      this.#at = 0;
      await this.#fill();
    }
    return this.#shift();
  }

  /** Decodes one more chunk into the queue. A failure waits until the events before it have been read. */
  async #fill(): Promise<void> {
    try {
      const { done, value } = await this.#nextChunk();
      if (this.#end !== undefined) return;
      if (done === true) {
        this.#decoder.end();
        this.#end ??= {};
      } else if (value !== undefined) {
        this.#decoder.push(value);
      }
    } catch (error) {
      if (this.#end !== undefined) return;
      this.#end = { error };
      void this.#cancel(error);
    }
  }

  #nextChunk(): ReturnType<Chunks["next"]> {
    return new Promise((resolve, reject) => {
      this.#interrupt = () => resolve({ done: true });
      this.#chunks.next().then(resolve, reject);
    });
  }

  #shift(): IteratorResult<DecodedEvent<Data>, undefined> {
    const event = this.#queue[this.#at++] as DecodedEvent;
    if (event.data === this.#sentinel) {
      void this.#stop({});
      return DONE;
    }
    if (this.#parse === undefined) return { done: false, value: event as DecodedEvent<Data> };
    try {
      return { done: false, value: { ...event, data: this.#parse(event.data) } };
    } catch (cause) {
      const error = new SluiceError(
        "invalid-data",
        `Cannot parse data of event: ${show(event.data)}; does the stream end with a sentinel that should be an option?`,
        { cause },
      );
      void this.#stop({}, error);
      throw error;
    }
  }

  #finish(end: { readonly error?: unknown }): IteratorReturnResult<undefined> {
    this.#end = {};
    this.#release();
    if ("error" in end) throw end.error;
    return DONE;
  }

  // A callback of the decoder may stop the iteration while the decoder is still in the middle of a chunk.
  readonly #onEvent = (event: DecodedEvent): void => {
    if (this.#end === undefined) this.#queue.push(event);
  };

  readonly #onAbort = (): void => {
    const error: unknown = this.#signal?.reason;
    void this.#stop({ error }, error);
  };

  /** Ends the iteration before the body has. */
  async #stop(end: { readonly error?: unknown }, reason?: unknown): Promise<void> {
    const bodyIsOver = this.#end !== undefined;
    this.#queue = [];
    this.#at = 0;
    this.#end = end;
    this.#release();
    this.#interrupt?.();
    if (!bodyIsOver) await this.#cancel(reason);
  }

  /** Never rejects: whoever leaves the loop has no use for a body's complaint. */
  async #cancel(reason: unknown): Promise<void> {
    try {
      await this.#chunks.cancel(reason);
    } catch {}
  }

  #release(): void {
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}

const rules: Readonly<Record<keyof DecodeEventStreamOptions, Rule>> = {
  ...decodeRules,
  parse: aFunction,
  sentinel: aString,
  signal: anAbortSignal,
};

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

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
