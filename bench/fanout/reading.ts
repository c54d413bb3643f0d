// What a client reads, checked to the byte and cheaply: the clients share two cores with the server that is measured.
import { idOf, payloadOf } from "./wire.ts";
import type { Dialect, Payload } from "./wire.ts";

/** How far behind the first one a connection can be and still be checked, in bytes. */
const REACH = 32 * 1024 * 1024;

/**
 * The events of one channel as the first connection had them, each of which was taken apart and checked. All others must
 * have the same bytes.
 */
export class Reference {
  readonly eventBytes: number;
  /** How many bytes are known, from the first event on. */
  end = 0;
  /** When each event was published, in ms. */
  readonly publishedAt: number[] = [];
  /** The id of the last event. */
  lastId = "";
  readonly #dialect: Dialect;
  readonly #ring: Buffer;

  constructor(dialect: Dialect, eventBytes: number) {
    this.#dialect = dialect;
    this.eventBytes = eventBytes + dialect.extra;
    // Of whole events, so that none is in two parts.
    this.#ring = Buffer.alloc(this.eventBytes * Math.floor(REACH / this.eventBytes));
  }

  /** Whether these bytes are known, at this place in the stream. */
  has(at: number, bytes: Buffer, from: number, to: number): boolean {
    const slot = at % this.#ring.length;
    const last = slot + to - from;
    if (at + to - from > this.end || last > this.#ring.length || this.end - at > this.#ring.length) return false;
    return bytes.compare(this.#ring, slot, last, from, to) === 0;
  }

  /** Takes bytes of one event that no other connection has had yet. */
  learn(at: number, bytes: Buffer, from: number, to: number): void {
    const known = Math.min(to, from + this.end - at);
    if (!this.has(at, bytes, from, known)) {
      throw new Error(
        `Not what the others got at byte ${at} of ${this.end}, or too far behind them: ${shortened(bytes.toString("latin1", from, to))}`,
      );
    }
    bytes.copy(this.#ring, this.end % this.#ring.length, known, to);
    this.end += to - known;
    if (this.end % this.eventBytes === 0 && to > known) this.#check();
  }

  #check(): void {
    const seq = this.end / this.eventBytes;
    const from = (this.end - this.eventBytes) % this.#ring.length;
    const text = this.#ring.toString("latin1", from, from + this.eventBytes);
    const [, id = "", data = "{}"] = /^(?:event:message\n)?id: ?(\S+)\ndata: ?(.+)\n\n$/.exec(text) ?? [];
    const { at } = JSON.parse(data) as Payload;
    const expected = payloadOf(seq, at, this.eventBytes - this.#dialect.extra);
    if (JSON.stringify(expected) !== data || id.length !== idOf(seq).length) {
      throw new Error(`Not event ${seq} as it was published, but ${shortened(text)}`);
    }
    this.lastId = id;
    this.publishedAt.push(at / 1000);
  }
}

function shortened(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}

/** What a connection tells of. */
export interface Progress {
  /** It gets all that is published from now on. */
  onReady(): void;
  /** It has had events up to number `to`, and before that up to `from`. */
  onEvents(from: number, to: number): void;
}

const CR = 13;
const LF = 10;

/** One connection's response: takes HTTP's framing off, skips what is no event, and compares the rest. */
export class Reading {
  /** How far in the channel's stream it is, in bytes. */
  at: number;
  readonly #reference: Reference;
  readonly #progress: Progress;
  readonly #eventByte: number;
  readonly #readyByte: number;
  /** The response's head, while it comes in. */
  #head: string | undefined = "";
  /** The size of the next chunk, as far as its digits have come. */
  #size: number | undefined = undefined;
  /** What is left of the chunk, in bytes. */
  #left = 0;
  /** The first byte of the block that is skipped. */
  #skipped = 0;
  #lastByte = 0;

  constructor(reference: Reference, dialect: Dialect, progress: Progress, at: number) {
    this.#reference = reference;
    this.#progress = progress;
    this.#eventByte = dialect.event.charCodeAt(0);
    this.#readyByte = dialect.ready.charCodeAt(0);
    this.at = at;
  }

  /** Takes the first `end` bytes of a buffer, which may be used again afterwards. */
  read(bytes: Buffer, end: number): void {
    let at = this.#head === undefined ? 0 : this.#readHead(bytes.toString("latin1", 0, end));
    while (at < end) {
      if (this.#left === 0) {
        this.#readSize(bytes[at++] as number);
        continue;
      }
      const to = Math.min(end, at + this.#left);
      this.#left -= to - at;
      this.#readBody(bytes, at, to);
      at = to;
    }
  }

  #readHead(text: string): number {
    const before = this.#head?.length ?? 0;
    const head = this.#head + text;
    const end = head.indexOf("\r\n\r\n") + 4;
    this.#head = end < 4 ? head : undefined;
    if (end < 4) return text.length;
    if (!/^HTTP\/1.1 200 .*\r\ncontent-type: text\/event-stream/is.test(head)) throw new Error(`Refused: ${head}`);
    return end - before;
  }

  /** A line of hexadecimal digits, behind the line end of the chunk before. */
  #readSize(byte: number): void {
    if (byte !== CR && byte !== LF) this.#size = (this.#size ?? 0) * 16 + (byte < 58 ? byte - 48 : (byte | 32) - 87);
    if (byte !== LF || this.#size === undefined) return;
    if (this.#size === 0) throw new Error("The response has ended");
    this.#left = this.#size;
    this.#size = undefined;
  }

  #readBody(bytes: Buffer, from: number, to: number): void {
    const { eventBytes } = this.#reference;
    const before = Math.floor(this.at / eventBytes);
    while (from < to) {
      const into = this.at % eventBytes;
      if (this.#skipped !== 0 || (into === 0 && bytes[from] !== this.#eventByte)) {
        from = this.#skip(bytes, from, to);
        continue;
      }
      // All at once if it can be; else one event, as something that is none may follow.
      const isKnown = this.#reference.has(this.at, bytes, from, to);
      const end = isKnown ? to : Math.min(to, from + eventBytes - into);
      if (!isKnown) this.#reference.learn(this.at, bytes, from, end);
      this.at += end - from;
      from = end;
    }
    const after = Math.floor(this.at / eventBytes);
    if (after > before) this.#progress.onEvents(before, after);
  }

  /** To the end of the empty line. */
  #skip(bytes: Buffer, from: number, to: number): number {
    if (this.#skipped === 0) this.#lastByte = 0;
    this.#skipped ||= bytes[from] as number;
    for (let i = from; i < to; i++) {
      const isOver = bytes[i] === LF && this.#lastByte === LF;
      this.#lastByte = bytes[i] as number;
      if (!isOver) continue;
      if (this.#skipped === this.#readyByte) this.#progress.onReady();
      this.#skipped = 0;
      return i + 1;
    }
    return to;
  }
}
