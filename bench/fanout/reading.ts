// What a client reads, checked to the byte and cheaply: the clients share two cores with the server that is measured.
import { payloadOf } from "./wire.ts";
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

  /** Takes a whole event: to check it, or to learn it where no other connection has had it yet. */
  take(at: number, event: string): void {
    if (at < this.end && this.has(at, Buffer.from(event, "latin1"), 0, event.length)) return;
    const seq = at / this.eventBytes + 1;
    const [, id = "", data = "{}"] = /^(?:event:message\n)?id: ?(\S+)\ndata: ?(.+)\n\n$/.exec(event) ?? [];
    const { at: publishedAt } = JSON.parse(data) as Payload;
    const expected = payloadOf(seq, publishedAt, this.eventBytes - this.#dialect.extra);
    const isRight = JSON.stringify(expected) === data && event.length === this.eventBytes;
    if (!isRight || at !== this.end) {
      const known = `the others have had ${this.end / this.eventBytes}`;
      throw new Error(`Not event ${seq} as it was published (${known}), but ${JSON.stringify(event.slice(0, 200))}`);
    }
    this.#ring.write(event, at % this.#ring.length, "latin1");
    this.end += event.length;
    this.lastId = id;
    this.publishedAt.push(publishedAt / 1000);
  }
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

/** So many bytes tell an event from what is none: they reach beyond its id. */
const TELLING = 64;

/** One connection's response: takes HTTP/1.1's framing off, skips what is no event, and compares the rest. */
export class Reading {
  /** How far in the channel's stream it is, in bytes. */
  at: number;
  readonly #reference: Reference;
  readonly #progress: Progress;
  readonly #dialect: Dialect;
  /** The response's head, while it comes in. */
  #head: string | undefined = "";
  /** The size of the next chunk, as far as its digits have come. */
  #size: number | undefined = undefined;
  /** What is left of the chunk, in bytes. */
  #left = 0;
  /** The lines since the last empty one, where they are not known. */
  #block = "";

  constructor(reference: Reference, dialect: Dialect, progress: Progress, at: number) {
    this.#reference = reference;
    this.#progress = progress;
    this.#dialect = dialect;
    this.at = at;
  }

  /** Takes what a socket has brought: the first `end` bytes of a buffer, which may be used again afterwards. */
  read(bytes: Buffer, end: number): void {
    let at = this.#head === undefined ? 0 : this.#readHead(bytes.toString("latin1", 0, end));
    while (at < end) {
      if (this.#left === 0) {
        this.#readSize(bytes[at++] as number);
        continue;
      }
      const to = Math.min(end, at + this.#left);
      this.#left -= to - at;
      this.readBody(bytes, at, to);
      at = to;
    }
  }

  /** Takes what is in no frames any more. */
  readBody(bytes: Buffer, from: number, to: number): void {
    const { eventBytes } = this.#reference;
    const before = Math.floor(this.at / eventBytes);
    while (from < to) {
      from = (this.#block === "" ? this.#match(bytes, from, to) : undefined) ?? this.#collect(bytes, from, to);
    }
    const after = Math.floor(this.at / eventBytes);
    if (after > before) this.#progress.onEvents(before, after);
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

  /** Where what is known ends: with all that is here, or else with one event. Undefined where nothing is known. */
  #match(bytes: Buffer, from: number, to: number): number | undefined {
    const { eventBytes } = this.#reference;
    const begun = this.at % eventBytes;
    const tail = (begun + to - from) % eventBytes;
    const all = tail < TELLING ? to - tail : to;
    const one = Math.min(all, from + eventBytes - begun);
    const known = [all, one].find((end) => end > from && this.#reference.has(this.at, bytes, from, end));
    if (known !== undefined) this.at += known - from;
    else if (begun > 0) {
      throw new Error(`Not what the others have had: ${JSON.stringify(bytes.toString("latin1", from, one))}`);
    }
    return known;
  }

  /** To the end of the empty line, where it is seen what it is. */
  #collect(bytes: Buffer, from: number, to: number): number {
    const isSplit = this.#block.endsWith("\n") && bytes[from] === LF;
    const found = isSplit ? from - 1 : bytes.indexOf("\n\n", from);
    const end = found === -1 ? to : Math.min(to, found + 2);
    this.#block += bytes.toString("latin1", from, end);
    if (!this.#block.endsWith("\n\n")) return end;
    const block = this.#block;
    this.#block = "";
    if (/^(:|retry:|id: .*\nevent: sluice\.live\n|event: sluice\.live\n)/.test(block)) {
      if (block.includes(this.#dialect.ready)) this.#progress.onReady();
    } else {
      this.#reference.take(this.at, block);
      this.at += block.length;
    }
    return end;
  }
}
