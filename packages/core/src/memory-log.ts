import { resolveAppend } from "./append.ts";
import type { LogEntry, ProducerMark } from "./append.ts";
import { formatEventId, ORIGIN, positionOf, randomEpoch, randomTag, resolveCursor, TAG_LENGTH } from "./cursor.ts";
import type { LogBounds, LogMark } from "./cursor.ts";
import type {
  Appended,
  AppendOptions,
  Cursor,
  NewEvent,
  Position,
  Producer,
  ReadOptions,
  Slice,
  StoredEvent,
} from "./event-store.ts";
import type { LogLimits } from "./retention.ts";
import { TextLog } from "./text-log.ts";

/** What an append has done. */
export interface Outcome extends Appended {
  /** What has been added; absent where nothing has changed. */
  readonly slice?: Slice;
}

/** One channel's log. Every method is synchronous, which is what makes it atomic. */
export class MemoryLog {
  usedAt: number = performance.now();

  readonly #limits: LogLimits;
  readonly #epoch: string = randomEpoch();
  /** Of each retained event a row of numbers, in a ring: an object for each would be a burden to the garbage collector. */
  #rows = new Float64Array(FEWEST * WIDTH);
  #bytes = 0;
  /** The strings of the retained events, one after another. */
  readonly #texts = new TextLog();
  #trimmed: LogMark = ORIGIN;
  #tail: LogMark = ORIGIN;
  #closed = false;
  /** In the order of their last append. */
  readonly #producers = new Map<string, ProducerMark>();

  constructor(limits: LogLimits) {
    this.#limits = limits;
  }

  get tail(): Position {
    return positionOf(this.#epoch, this.#tail);
  }

  touch(): void {
    this.usedAt = performance.now();
  }

  append(events: readonly NewEvent[], options: AppendOptions): Outcome {
    const { producer, close = false } = options;
    const from = this.tail;
    const { answer, entries } = resolveAppend(events, options, {
      tail: from,
      closed: this.#closed,
      producer: producer && this.#producers.get(producer.id),
      maxBytes: this.#limits.maxBytes,
    });
    if (answer !== undefined) return answer;
    const kept = this.#mint(entries);
    this.#closed = close;
    this.touch();
    this.trim(this.usedAt);
    const { tail } = this;
    if (producer !== undefined) this.#remember(producer, tail);
    return { tail, duplicate: false, slice: { from, events: kept, next: tail, upToDate: true, closed: close } };
  }

  read(after: Cursor, { limit = 256, maxBytes = 1024 * 1024 }: ReadOptions): Slice {
    this.trim(performance.now());
    const { mark, gap } = resolveCursor(after, this.#bounds(), (seq) => this.#markOf(seq).tag);
    const events: StoredEvent[] = [];
    let bytes = 0;
    for (let seq = mark.seq + 1; seq <= this.#tail.seq; seq++) {
      bytes += this.#number(seq, BYTES);
      if (events.length > 0 && (events.length >= limit || bytes > maxBytes)) break;
      events.push(this.#restore(seq));
    }
    const from = positionOf(this.#epoch, mark);
    const upToDate = mark.seq + events.length === this.#tail.seq;
    return {
      from,
      events,
      next: events.at(-1)?.id ?? from,
      ...(gap !== undefined && { gap }),
      upToDate,
      closed: upToDate && this.#closed,
    };
  }

  /** Removes what retention no longer allows, oldest first. */
  trim(now: number): void {
    const { maxEvents, maxBytes, maxAge } = this.#limits;
    const { seq } = this.#trimmed;
    let oldest = seq + 1;
    for (let count = this.#tail.seq - seq; count > 0; count--, oldest++) {
      const isOld = now - this.#number(oldest, KEPT_AT) > maxAge;
      if (count <= maxEvents && this.#bytes <= maxBytes && !isOld) break;
      this.#bytes -= this.#number(oldest, BYTES);
    }
    if (oldest === seq + 1) return;
    const trimmed = this.#markOf(oldest - 1);
    this.#texts.trim(this.#textAt(oldest));
    this.#trimmed = trimmed;
    this.#fit(this.#tail.seq - trimmed.seq);
  }

  #bounds(): LogBounds | undefined {
    if (this.#tail.seq === 0) return undefined;
    return { epoch: this.#epoch, trimmed: this.#trimmed, tail: this.#tail };
  }

  /** A number of a retained event's row. */
  #number(seq: number, column: number): number {
    return this.#rows[this.#rowOf(seq) + column] as number;
  }

  #rowOf(seq: number): number {
    return (seq * WIDTH) % this.#rows.length;
  }

  /** Makes the ring large enough for so many rows, and not much larger. */
  #fit(count: number): void {
    const former = this.#rows;
    let rows = former.length / WIDTH;
    while (rows < count) rows *= 2;
    while (rows > FEWEST && rows > count * 4) rows /= 2;
    if (rows * WIDTH === former.length) return;
    this.#rows = new Float64Array(rows * WIDTH);
    for (let seq = this.#trimmed.seq + 1; seq <= this.#tail.seq; seq++) {
      const at = (seq * WIDTH) % former.length;
      this.#rows.set(former.subarray(at, at + WIDTH), this.#rowOf(seq));
    }
  }

  /** Where the strings of an event begin, or will. */
  #textAt(seq: number): number {
    return seq > this.#tail.seq ? this.#texts.end : this.#number(seq, TEXT_AT);
  }

  /** Of a retained event. */
  #markOf(seq: number): LogMark {
    const at = this.#textAt(seq);
    return { seq, tag: this.#texts.at(at, at + TAG_LENGTH) };
  }

  #mint(entries: readonly LogEntry[]): readonly StoredEvent[] {
    const tag = randomTag();
    const at = Date.now();
    const keptAt = performance.now();
    this.#fit(this.#tail.seq - this.#trimmed.seq + entries.length);
    return entries.map(({ bytes, ...event }) => {
      const { event: name, data, key } = event;
      const seq = this.#tail.seq + 1;
      const textAt = this.#texts.end;
      this.#texts.push(`${tag}${name ?? ""}${key ?? ""}`);
      const row = [textAt, this.#texts.end, name?.length ?? NONE, key?.length ?? NONE, at, keptAt, bytes];
      this.#rows.set(row, this.#rowOf(seq));
      this.#texts.push(data);
      this.#bytes += bytes;
      this.#tail = { seq, tag };
      return { ...event, id: positionOf(this.#epoch, this.#tail), at };
    });
  }

  #restore(seq: number): StoredEvent {
    // Apart from the data, which a name or a key that somebody keeps would keep alive.
    const head = this.#texts.at(this.#textAt(seq), this.#number(seq, DATA_AT));
    const eventLength = this.#number(seq, EVENT_LENGTH);
    const keyLength = this.#number(seq, KEY_LENGTH);
    const keyAt = TAG_LENGTH + Math.max(0, eventLength);
    return {
      ...(eventLength !== NONE && { event: head.slice(TAG_LENGTH, keyAt) }),
      data: this.#texts.at(this.#number(seq, DATA_AT), this.#textAt(seq + 1)),
      ...(keyLength !== NONE && { key: head.slice(keyAt) }),
      id: formatEventId({ epoch: this.#epoch, seq, tag: head.slice(0, TAG_LENGTH) }),
      at: this.#number(seq, AT),
    };
  }

  #remember({ id, epoch, seq }: Producer, tail: Position): void {
    this.#producers.delete(id);
    this.#producers.set(id, { epoch, seq, tail });
    if (this.#producers.size <= this.#limits.maxProducers) return;
    for (const oldest of this.#producers.keys()) return void this.#producers.delete(oldest);
  }
}

// The columns of a row, in their order, which are so many. The strings of an event are its tag, its name, its key and its data.
const WIDTH = 7;
/** Where the strings begin, and the last of them, as bytes of the texts. */
const TEXT_AT = 0;
const DATA_AT = 1;
/** In UTF-16 code units, or none. */
const EVENT_LENGTH = 2;
const KEY_LENGTH = 3;
const NONE = -1;
/** In ms since the epoch. */
const AT = 4;
/** On the clock that never steps. */
const KEPT_AT = 5;
const BYTES = 6;
/** How many rows a ring has at the least. */
const FEWEST = 4;
