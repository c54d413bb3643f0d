import { aFunction, aString, checkOptions } from "./check-options.ts";
import type { Rule } from "./check-options.ts";
import { SluiceError, show } from "./errors.ts";
import { TextBuffer } from "./text-buffer.ts";

/** An event as a reader dispatches it. */
export interface DecodedEvent<Data = string> {
  /** The event type, absent where the stream named none (clients then say `message`). */
  readonly event?: string;
  readonly data: Data;
  /** The id, present only when this event set it. The last one of the stream is `decoder.lastEventId`. */
  readonly id?: string;
}

/** The limits of a decoder, in UTF-16 code units. Passing one throws `too-large` with the limit's name as `option`. */
export interface DecoderLimits {
  /** The longest line, field name included. Default 16 Mi (16,777,216): image events of 8 MiB and more exist. */
  readonly maxLineLength?: number | undefined;
  /** The most that the data of one event may hold. Default 16 Mi. */
  readonly maxEventLength?: number | undefined;
  /** The longest id. Default 4,096: an id comes back in a request header, and servers refuse long ones. */
  readonly maxIdLength?: number | undefined;
}

/** Options that every way to decode has. */
export interface DecodeOptions extends DecoderLimits {
  /** The last event ID to start from, as after a reconnect. Default `""`. */
  readonly lastEventId?: string | undefined;
  /**
   * What becomes of an event that the stream ends in, before its blank line: the Standard discards it (the default);
   * `"deliver"` is for servers that leave the last blank line out; `"throw"` is for readers who must not take half an
   * answer for the whole. A comment, and a `retry` whose line has ended, are not an event.
   */
  readonly unfinished?: "discard" | "deliver" | "throw" | undefined;
  /** Each `id` at its blank line, before the event it came with, and also where there was no data. */
  readonly onId?: ((id: string) => void) | undefined;
  /** Each valid `retry`, in ms. */
  readonly onRetry?: ((reconnectionTime: number) => void) | undefined;
  /** Each comment line, without its colon and one space. */
  readonly onComment?: ((comment: string) => void) | undefined;
}

/** Options of {@link createDecoder}. */
export interface DecoderOptions extends DecodeOptions {
  /** Each event, within the `push` that completed it. */
  readonly onEvent?: ((event: DecodedEvent) => void) | undefined;
}

/** A push decoder of one event stream after another. */
export interface Decoder {
  /**
   * Decodes the next chunk, cut anywhere, and calls the callbacks before it returns. What a callback throws comes out
   * here, and the decoder then wants a `reset()`.
   *
   * @throws {SluiceError} `too-large` past a limit; `invalid-state` after `end()`, after a failure, or from a callback
   */
  push(chunk: Uint8Array | ArrayBuffer | string): void;
  /**
   * Says that the stream has ended: what was unfinished is discarded, delivered or an error, as the option `unfinished`
   * says. A second call does nothing.
   *
   * @throws {SluiceError} `unfinished` where the option is `"throw"`; `too-large` from what is delivered; `invalid-state`
   * after a failure, or from a callback
   */
  end(): void;
  /**
   * Makes ready for a new stream, as after a reconnect: forgets what was unfinished, keeps the two properties below.
   * From a callback it also drops the rest of the chunk.
   */
  reset(): void;
  /** The last event ID: what a reconnecting client sends as `Last-Event-ID`. `""` when there is none. */
  readonly lastEventId: string;
  /** The reconnection time in ms, `undefined` until the stream sets one. */
  readonly reconnectionTime: number | undefined;
}

/**
 * Creates a decoder of event streams: bytes or strings in, callbacks out, in time linear in the input.
 *
 * It does what section 9.2.6 of the HTML Standard says, at every split of the input, also inside a character, a CRLF or
 * the byte order mark. A string that is kept from a chunk of bytes keeps at most 16 Ki characters of its
 * neighbours alive, however large the chunk was.
 *
 * @param options callbacks, limits and the last event ID to start from
 * @throws {SluiceError} `invalid-option` for a limit that is not a positive integer or a callback that is not a function
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 *
 * @example
 * ```ts
 * import { createDecoder } from "@sluice/core";
 *
 * const seen: string[] = [];
 * const decoder = createDecoder({ onEvent: ({ data }) => seen.push(data) });
 * decoder.push("id: 1\ndata: he");
 * decoder.push(new TextEncoder().encode("llo\n\n"));
 * console.assert(seen[0] === "hello" && decoder.lastEventId === "1");
 * ```
 */
export function createDecoder(options: DecoderOptions = {}): Decoder {
  return new EventStreamDecoder(options);
}

const lengthLimit: Rule = {
  allows: (value) => value === Infinity || (Number.isSafeInteger(value) && Number(value) > 0),
  wanted: "a positive integer of UTF-16 code units, or Infinity",
};

/** What every way to decode has in common. */
export const decodeRules: Readonly<Record<keyof DecodeOptions, Rule>> = {
  maxLineLength: lengthLimit,
  maxEventLength: lengthLimit,
  maxIdLength: lengthLimit,
  lastEventId: aString,
  unfinished: {
    allows: (value) => value === "discard" || value === "deliver" || value === "throw",
    wanted: '"discard", "deliver" or "throw"',
  },
  onId: aFunction,
  onRetry: aFunction,
  onComment: aFunction,
};

const decoderRules: Readonly<Record<keyof DecoderOptions, Rule>> = { onEvent: aFunction, ...decodeRules };

const LF = 10;
const CR = 13;
const SPACE = 32;
const COLON = 58;
const BYTE_ORDER_MARK = 0xfeff;
const FIELDS = ["data", "event", "id", "retry"] as const;

/**
 * Bytes are decoded this many at a time at most. Engines make a substring a view on its parent, so one kept `data` of
 * 180 characters would keep its whole chunk (64 KiB and more) alive: docs/decisions/002-what-a-kept-string-pins.md.
 */
const PIECE = 16 * 1024;

/** How far from the end of a piece a line end is looked for, in bytes. */
const NEAR = 2048;

const STREAM = { stream: true } as const;
// TextDecoder's own stripping takes one BOM too many on some runtimes when it is split; the decoder takes one itself.
const IGNORE_BOM = { ignoreBOM: true } as const;
const utf8 = new TextDecoder("utf-8", IGNORE_BOM);

class EventStreamDecoder implements Decoder {
  /**
   * Never used. What an engine has learnt of a class goes with its last instance, and a process between two streams has
   * none: without this one it would learn anew, at half the speed, whenever garbage is collected then.
   */
  static readonly kept: Decoder = new EventStreamDecoder({});

  readonly #onEvent: ((event: DecodedEvent) => void) | undefined;
  readonly #onId: ((id: string) => void) | undefined;
  readonly #onRetry: ((reconnectionTime: number) => void) | undefined;
  readonly #onComment: ((comment: string) => void) | undefined;
  readonly #maxLineLength: number;
  readonly #maxEventLength: number;
  readonly #maxIdLength: number;
  readonly #unfinished: "discard" | "deliver" | "throw";

  lastEventId: string;
  reconnectionTime: number | undefined = undefined;

  /** For pieces that begin or end inside a character; {@link utf8} does the others. */
  readonly #utf8Stream = new TextDecoder("utf-8", IGNORE_BOM);
  #utf8Pending = false;
  #state: "ready" | "pushing" | "ended" | "failed" = "ready";
  #atStart = true;
  #afterCR = false;
  /** The beginning of a line whose end has not come. */
  readonly #line = new TextBuffer("");

  // The event that is being read: the Standard's data buffer, event type buffer and last event ID buffer.
  #hasFields = false;
  #type = "";
  #id: string | undefined = undefined;
  #data: string | undefined = undefined;
  /** The data buffer once it has a second line. */
  readonly #dataLines = new TextBuffer("\n");

  constructor(options: DecoderOptions) {
    checkOptions("Cannot create decoder", options, decoderRules);
    this.#onEvent = options.onEvent;
    this.#onId = options.onId;
    this.#onRetry = options.onRetry;
    this.#onComment = options.onComment;
    this.#maxLineLength = options.maxLineLength ?? 16 * 1024 * 1024;
    this.#maxEventLength = options.maxEventLength ?? 16 * 1024 * 1024;
    this.#maxIdLength = options.maxIdLength ?? 4096;
    this.#unfinished = options.unfinished ?? "discard";
    this.lastEventId = options.lastEventId ?? "";
  }

  push(chunk: Uint8Array | ArrayBuffer | string): void {
    if (this.#state !== "ready") throw this.#notReady("push to");
    this.#state = "pushing";
    try {
      if (typeof chunk === "string") this.#pushText(chunk);
      else this.#pushBytes(chunk);
    } catch (error) {
      this.#finish("failed");
      throw error;
    }
    if (this.#state === "pushing") this.#state = "ready";
  }

  end(): void {
    if (this.#state === "ended") return;
    if (this.#state !== "ready") throw this.#notReady("end");
    this.#state = "pushing";
    try {
      if (this.#unfinished === "deliver") this.#deliver();
      if (this.#unfinished === "throw" && this.#isInEvent()) throw unfinished();
    } catch (error) {
      this.#finish("failed");
      throw error;
    }
    if (this.#state === "pushing") this.#finish("ended");
  }

  reset(): void {
    this.#startAfresh();
    this.#state = "ready";
  }

  #finish(state: "ended" | "failed"): void {
    this.#startAfresh();
    this.#state = state;
  }

  #startAfresh(): void {
    if (this.#utf8Pending) this.#utf8Stream.decode();
    this.#utf8Pending = false;
    this.#atStart = true;
    this.#afterCR = false;
    this.#line.clear();
    this.#clearEvent();
  }

  #clearEvent(): void {
    this.#hasFields = false;
    this.#type = "";
    this.#id = undefined;
    this.#data = undefined;
    if (this.#dataLines.length > 0) this.#dataLines.clear();
  }

  #pushText(text: string): void {
    this.#flushUtf8();
    this.#split(text);
  }

  #pushBytes(chunk: Uint8Array | ArrayBuffer): void {
    const bytes = chunk instanceof Uint8Array ? chunk : asBytes(chunk);
    if (bytes.length === 0) return;
    if (bytes.length <= PIECE) return this.#split(this.#decode(bytes));
    for (let at = 0; at < bytes.length && this.#state === "pushing";) {
      const end = pieceEnd(bytes, at);
      this.#split(this.#decode(bytes.subarray(at, end)));
      at = end;
    }
  }

  /** Without `stream: true` where that does the same: Node decodes short pieces half again as fast. */
  #decode(bytes: Uint8Array): string {
    const endsInASCII = (bytes[bytes.length - 1] as number) < 0x80;
    if (endsInASCII && !this.#utf8Pending) return utf8.decode(bytes);
    this.#utf8Pending = !endsInASCII;
    return this.#utf8Stream.decode(bytes, STREAM);
  }

  /** As if the stream had ended with the line end and the blank line that it lacks. */
  #deliver(): void {
    this.#flushUtf8();
    if (this.#line.length > 0) this.#interpretPending("");
    if (this.#state === "pushing") this.#dispatch(this.#takeData());
  }

  /** Whether a field of an event has come whose blank line has not, or a line is cut off that may be a field. */
  #isInEvent(): boolean {
    if (this.#hasFields) return true;
    const isAtLineStart = this.#line.length === 0;
    this.#flushUtf8();
    const line = this.#line.take();
    if (isAtLineStart) return line !== ""; // half a character
    const colon = line.indexOf(":");
    return FIELDS.some((name) => (colon === -1 ? name.startsWith(line) : name === line.slice(0, colon)));
  }

  /** Bytes of a character whose rest never came become U+FFFD. */
  #flushUtf8(): void {
    if (!this.#utf8Pending) return;
    this.#utf8Pending = false;
    this.#split(this.#utf8Stream.decode());
  }

  /** Cuts the text into lines: CRLF, LF and CR all end one, and a CR ends it at once, whatever follows. */
  #split(text: string): void {
    if (text.length === 0) return;
    let at = 0;
    if (this.#atStart) {
      this.#atStart = false;
      if (text.charCodeAt(0) === BYTE_ORDER_MARK) at = 1;
    }
    if (this.#afterCR) {
      this.#afterCR = false;
      if (text.charCodeAt(at) === LF) at++;
    }
    at = text.indexOf("\r", at) === -1 ? this.#splitAtLF(text, at) : this.#splitAtAny(text, at);
    if (at < text.length && this.#state === "pushing") this.#keep(at === 0 ? text : text.slice(at));
  }

  /** The common case: lines end in LF, so an empty line shows as two in a row and needs no search. */
  #splitAtLF(text: string, start: number): number {
    let at = start;
    for (let lf = text.indexOf("\n", at); lf !== -1; lf = text.indexOf("\n", at)) {
      if (this.#line.length > 0) {
        this.#interpretPending(text.slice(at, lf));
      } else if (isData(text, at)) {
        this.#checkLine(lf - at);
        const value = fieldValue(text, at + 4, lf);
        if (text.charCodeAt(lf + 1) === LF && this.#data === undefined) {
          // Most events end in their only line of data: it goes past the data buffer.
          this.#dispatch(this.#checkData(value));
          at = lf + 2;
          if (this.#state === "pushing") continue;
          break;
        }
        this.#addData(value);
      } else {
        this.#interpret(text, at, lf);
      }
      at = lf + 1;
      while (this.#state === "pushing" && text.charCodeAt(at) === LF) {
        this.#dispatch(this.#takeData());
        at++;
      }
      if (this.#state !== "pushing") break; // a callback has reset the decoder: the rest belongs to no stream
    }
    return at;
  }

  #splitAtAny(text: string, start: number): number {
    let at = start;
    let lf = text.indexOf("\n", at);
    let cr = text.indexOf("\r", at);
    // Each of the two is searched for again only once it is behind, so no part of the text is scanned twice.
    for (;;) {
      const end = cr === -1 || (lf !== -1 && lf < cr) ? lf : cr;
      if (end === -1) return at;
      if (this.#line.length > 0) this.#interpretPending(text.slice(at, end));
      else this.#interpret(text, at, end);
      if (this.#state !== "pushing") return at;
      at = this.#behindLineEnd(text, end);
      // An empty line needs no search.
      while (isLineEnd(text.charCodeAt(at))) {
        at = this.#behindLineEnd(text, at);
        this.#dispatch(this.#takeData());
        if (this.#state !== "pushing") return at;
      }
      if (cr !== -1 && cr < at) cr = text.indexOf("\r", at);
      if (lf !== -1 && lf < at) lf = text.indexOf("\n", at);
    }
  }

  #behindLineEnd(text: string, at: number): number {
    if (text.charCodeAt(at) === LF) return at + 1;
    if (at + 1 === text.length) this.#afterCR = true;
    return text.charCodeAt(at + 1) === LF ? at + 2 : at + 1;
  }

  /** Holds back the beginning of a line: only what is new is ever scanned, and the whole is joined once. */
  #keep(text: string): void {
    this.#checkLine(this.#line.length + text.length);
    this.#line.append(text);
  }

  #interpretPending(rest: string): void {
    this.#keep(rest);
    const line = this.#line.take();
    this.#interpret(line, 0, line.length);
  }

  /** One line, from `start` to `end` of `text`: steps of section 9.2.6 that begin with "If the line is empty". */
  #interpret(text: string, start: number, end: number): void {
    if (start === end) return this.#dispatch(this.#takeData());
    this.#checkLine(end - start);
    switch (text.charCodeAt(start)) {
      case 100: // d
        if (isData(text, start) || isField(text, start, end, "data")) this.#addData(fieldValue(text, start + 4, end));
        break;
      case 101: // e
        if (isField(text, start, end, "event")) this.#setType(fieldValue(text, start + 5, end));
        break;
      case 105: // i
        if (isField(text, start, end, "id")) this.#setId(fieldValue(text, start + 2, end));
        break;
      case 114: // r
        if (isField(text, start, end, "retry")) this.#setRetry(fieldValue(text, start + 5, end));
        break;
      case COLON:
        this.#onComment?.(fieldValue(text, start, end));
        break;
    }
  }

  #setType(value: string): void {
    this.#hasFields = true;
    this.#type = value;
  }

  #addData(value: string): void {
    this.#hasFields = true;
    if (this.#data === undefined) {
      this.#data = this.#checkData(value);
      return;
    }
    if (this.#dataLines.length === 0) this.#dataLines.append(this.#data);
    this.#dataLines.append(this.#checkData(value));
  }

  #takeData(): string | undefined {
    return this.#dataLines.length > 0 ? this.#dataLines.take() : this.#data;
  }

  #setId(value: string): void {
    this.#hasFields = true;
    if (value.length > this.#maxIdLength) throw tooLarge("an id", "maxIdLength", this.#maxIdLength);
    if (!value.includes("\0")) this.#id = value;
  }

  #setRetry(value: string): void {
    if (!/^[0-9]+$/.test(value)) return;
    const time = Math.min(Number(value), Number.MAX_SAFE_INTEGER);
    this.reconnectionTime = time;
    this.#onRetry?.(time);
  }

  /** The steps of "dispatch the event"; what they read is cleared before a callback can see it. */
  #dispatch(data: string | undefined): void {
    const id = this.#id;
    const type = this.#type;
    this.#clearEvent();
    if (id !== undefined) {
      this.lastEventId = id;
      this.#onId?.(id);
    }
    if (data === undefined || this.#onEvent === undefined || this.#state !== "pushing") return;
    if (type === "") this.#onEvent(id === undefined ? { data } : { data, id });
    else this.#onEvent(id === undefined ? { event: type, data } : { event: type, data, id });
  }

  #checkLine(length: number): void {
    if (length > this.#maxLineLength) throw tooLarge("a line", "maxLineLength", this.#maxLineLength);
  }

  #checkData(value: string): string {
    if (this.#dataLines.length + value.length <= this.#maxEventLength) return value;
    throw tooLarge("the data of an event", "maxEventLength", this.#maxEventLength);
  }

  #notReady(action: string): SluiceError {
    const why = {
      ready: "it is ready",
      pushing: "it was called from its own callback; collect the chunks and push them afterwards",
      ended: "the stream has ended; call reset() before the next one",
      failed: "an earlier push failed; call reset() before the next stream",
    }[this.#state];
    return new SluiceError("invalid-state", `Cannot ${action} decoder: ${why}`);
  }
}

/**
 * Where the piece that begins at `start` ends: behind a line if one ends near, for a short line that spans two pieces costs
 * as much as ten that do not. To look for it all over the piece would cost more than to join a long one.
 */
function pieceEnd(bytes: Uint8Array, start: number): number {
  const end = start + PIECE;
  if (end >= bytes.length) return bytes.length;
  const tail = bytes.subarray(end - NEAR, end);
  const length = tail.lastIndexOf(LF) + 1 || tail.lastIndexOf(CR) + 1;
  return length === 0 ? end : end - NEAR + length;
}

function isData(text: string, at: number): boolean {
  return (
    text.charCodeAt(at) === 100 &&
    text.charCodeAt(at + 1) === 97 &&
    text.charCodeAt(at + 2) === 116 &&
    text.charCodeAt(at + 3) === 97 &&
    text.charCodeAt(at + 4) === COLON
  );
}

function isLineEnd(code: number): boolean {
  return code === LF || code === CR;
}

function isField(text: string, start: number, end: number, name: string): boolean {
  if (!text.startsWith(name, start)) return false;
  const after = start + name.length;
  return after === end || text.charCodeAt(after) === COLON;
}

/** What follows the colon at `at`, less one space; the empty string where the line ends before a colon. */
function fieldValue(text: string, at: number, end: number): string {
  if (at === end) return "";
  const start = at + 1 < end && text.charCodeAt(at + 1) === SPACE ? at + 2 : at + 1;
  return text.slice(start, end);
}

function asBytes(chunk: unknown): Uint8Array {
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  throw new SluiceError("invalid-option", `Cannot decode chunk: expected bytes or a string, got ${show(chunk)}`, {
    option: "chunk",
  });
}

function unfinished(): SluiceError {
  return new SluiceError(
    "unfinished",
    "Cannot end event stream: it ends inside an event, so some of it is missing; read it again, " +
      'or set unfinished to "deliver" if the server leaves the last blank line out',
    { option: "unfinished" },
  );
}

function tooLarge(what: string, option: keyof DecoderLimits, most: number): SluiceError {
  return new SluiceError(
    "too-large",
    `Cannot decode event stream: ${what} is longer than ${option} (${most} code units); raise it if you trust the server`,
    { option },
  );
}
