import { resolveAppend } from "./append.ts";
import type { LogEntry, ProducerMark } from "./append.ts";
import {
  formatEventId,
  ORIGIN,
  parseEventId,
  positionOf,
  randomEpoch,
  randomTag,
  resolveCursor,
  TAG_LENGTH,
} from "./cursor.ts";
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
  readonly hasChanged: boolean;
  /** What has been added, where somebody is to be shown it. */
  readonly hint?: Slice;
}

interface KnownProducer extends ProducerMark {
  readonly id: string;
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
  /** The last event that was removed: its number, and its tag as rows have it. */
  #trimmedSeq = 0;
  #trimmedTag = 0;
  #tail: LogMark = ORIGIN;
  #tailPosition: Position = "origin";
  #closed = false;
  /** In the order of their last append. */
  readonly #producers = new Map<string, KnownProducer>();

  constructor(limits: LogLimits) {
    this.#limits = limits;
  }

  get tail(): Position {
    return this.#tailPosition;
  }

  get closed(): boolean {
    return this.#closed;
  }

  touch(): void {
    this.usedAt = performance.now();
  }

  append(events: readonly NewEvent[], options: AppendOptions, isWatched: boolean): Outcome {
    const { producer, close = false } = options;
    const from = this.#tailPosition;
    const { answer, entries } = resolveAppend(events, options, {
      tail: from,
      closed: this.#closed,
      producer: producer && this.#producers.get(producer.id),
      maxBytes: this.#limits.maxBytes,
    });
    if (answer !== undefined) return { ...answer, hasChanged: false };
    this.touch();
    const at = Date.now();
    if (entries.length > 0) this.#add(entries, at);
    this.#closed = close;
    this.trim(this.usedAt);
    const tail = this.#tailPosition;
    if (producer !== undefined) this.#remember(producer, tail);
    if (!isWatched) return { tail, duplicate: false, hasChanged: true };
    const added = this.#eventsOf(entries, at);
    return {
      tail,
      duplicate: false,
      hasChanged: true,
      hint: { from, events: added, next: tail, upToDate: true, closed: close },
    };
  }

  read(after: Cursor, { limit = 256, maxBytes = 1024 * 1024 }: ReadOptions): Slice {
    this.trim(performance.now());
    const { mark, gap } = resolveCursor(after, this.#bounds(), (seq) => tagOf(this.#number(seq, TAG)));
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
    const first = this.#trimmedSeq + 1;
    let oldest = first;
    for (let count = this.#tail.seq - this.#trimmedSeq; count > 0; count--, oldest++) {
      const isOld = now - this.#number(oldest, KEPT_AT) > maxAge;
      if (count <= maxEvents && this.#bytes <= maxBytes && !isOld) break;
      this.#bytes -= this.#number(oldest, BYTES);
    }
    if (oldest === first) return;
    this.#texts.trim(this.#textAt(oldest));
    this.#trimmedTag = this.#number(oldest - 1, TAG);
    this.#trimmedSeq = oldest - 1;
    this.#fit(this.#tail.seq - this.#trimmedSeq);
  }

  #bounds(): LogBounds | undefined {
    if (this.#tail.seq === 0) return undefined;
    const seq = this.#trimmedSeq;
    const trimmed = seq === 0 ? ORIGIN : { seq, tag: tagOf(this.#trimmedTag) };
    return { epoch: this.#epoch, trimmed, tail: this.#tail };
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
    for (let seq = this.#trimmedSeq + 1; seq <= this.#tail.seq; seq++) {
      const at = (seq * WIDTH) % former.length;
      this.#rows.set(former.subarray(at, at + WIDTH), this.#rowOf(seq));
    }
  }

  /** Where the strings of an event begin, or will. */
  #textAt(seq: number): number {
    return seq > this.#tail.seq ? this.#texts.end : this.#number(seq, TEXT_AT);
  }

  #add(entries: readonly LogEntry[], at: number): void {
    const tag = randomTag();
    const tagNumber = numberOf(tag);
    const texts = this.#texts;
    let { seq } = this.#tail;
    this.#fit(seq - this.#trimmedSeq + entries.length);
    const rows = this.#rows;
    for (const { event, data, key, bytes } of entries) {
      const row = this.#rowOf(++seq);
      rows[row + TEXT_AT] = texts.end;
      if (event !== undefined) texts.push(event);
      if (key !== undefined) texts.push(key);
      rows[row + DATA_AT] = texts.end;
      texts.push(data);
      rows[row + EVENT_LENGTH] = event === undefined ? NONE : event.length;
      rows[row + KEY_LENGTH] = key === undefined ? NONE : key.length;
      rows[row + AT] = at;
      rows[row + KEPT_AT] = this.usedAt;
      rows[row + BYTES] = bytes;
      rows[row + TAG] = tagNumber;
      this.#bytes += bytes;
    }
    this.#tail = { seq, tag };
    this.#tailPosition = positionOf(this.#epoch, this.#tail);
  }

  /** The entries that have just been added, as readers get them. */
  #eventsOf(entries: readonly LogEntry[], at: number): readonly StoredEvent[] {
    const { seq, tag } = this.#tail;
    const before = seq - entries.length;
    return entries.map(({ event, data, key }, i) => ({
      ...(event !== undefined && { event }),
      data,
      ...(key !== undefined && { key }),
      id: formatEventId({ epoch: this.#epoch, seq: before + 1 + i, tag }),
      at,
    }));
  }

  #restore(seq: number): StoredEvent {
    // Apart from the data, which a name or a key that somebody keeps would keep alive.
    const head = this.#texts.at(this.#textAt(seq), this.#number(seq, DATA_AT));
    const eventLength = this.#number(seq, EVENT_LENGTH);
    const keyLength = this.#number(seq, KEY_LENGTH);
    const keyAt = Math.max(0, eventLength);
    return {
      ...(eventLength !== NONE && { event: head.slice(0, keyAt) }),
      data: this.#texts.at(this.#number(seq, DATA_AT), this.#textAt(seq + 1)),
      ...(keyLength !== NONE && { key: head.slice(keyAt) }),
      id: formatEventId({ epoch: this.#epoch, seq, tag: tagOf(this.#number(seq, TAG)) }),
      at: this.#number(seq, AT),
    };
  }

  #remember({ id, epoch, seq }: Producer, tail: Position): void {
    // A copy, made once: the id may be a part of a text that it would keep alive.
    const own = this.#producers.get(id)?.id ?? structuredClone(id);
    this.#producers.delete(id);
    this.#producers.set(own, { id: own, epoch, seq, tail });
    if (this.#producers.size <= this.#limits.maxProducers) return;
    for (const oldest of this.#producers.keys()) return void this.#producers.delete(oldest);
  }
}

/**
 * Reads a log of which nothing is retained: one that was never written, or what is left of one that was closed.
 *
 * @param tail where it ended
 */
export function readEmpty(after: Cursor, tail: Position, closed: boolean): Slice {
  const end = parseEventId(tail);
  const bounds = end === undefined ? undefined : { epoch: end.epoch, trimmed: end, tail: end };
  const { gap } = resolveCursor(after, bounds, () => undefined);
  return { from: tail, events: [], next: tail, ...(gap !== undefined && { gap }), upToDate: true, closed };
}

/** A tag, as rows have it: the number that its characters are in base 36. */
function numberOf(tag: string): number {
  let number = 0;
  for (let i = 0; i < TAG_LENGTH; i++) {
    const code = tag.charCodeAt(i);
    number = number * 36 + (code < 97 ? code - 48 : code - 87);
  }
  return number;
}

function tagOf(number: number): string {
  return number.toString(36).padStart(TAG_LENGTH, "0");
}

// The columns of a row, in their order, which are so many. The strings of an event are its name, its key and its data.
const WIDTH = 8;
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
const TAG = 7;
/** How many rows a ring has at the least. */
const FEWEST = 4;
