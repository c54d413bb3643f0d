import { resolveAppend } from "./append.ts";
import type { LogEntry, ProducerMark } from "./append.ts";
import { formatEventId, ORIGIN, positionOf, randomEpoch, randomTag, resolveCursor } from "./cursor.ts";
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
import type { TextPlace } from "./text-log.ts";

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
  /** Retained events from `#first` on; what lies before has been removed, and is cut off now and then. */
  #events: (Kept | undefined)[] = [];
  #first = 0;
  #bytes = 0;
  /** Their data. */
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
    const { mark, gap } = resolveCursor(after, this.#bounds(), (seq) => this.#at(seq)?.tag);
    const events: StoredEvent[] = [];
    let bytes = 0;
    let last = mark;
    for (let kept = this.#at(last.seq + 1); kept !== undefined; kept = this.#at(last.seq + 1)) {
      bytes += kept.bytes;
      if (events.length > 0 && (events.length >= limit || bytes > maxBytes)) break;
      events.push(this.#restore(kept));
      last = kept;
    }
    const upToDate = last.seq === this.#tail.seq;
    return {
      from: positionOf(this.#epoch, mark),
      events,
      next: positionOf(this.#epoch, last),
      ...(gap !== undefined && { gap }),
      upToDate,
      closed: upToDate && this.#closed,
    };
  }

  /** Removes what retention no longer allows, oldest first. */
  trim(now: number): void {
    const { maxEvents, maxBytes, maxAge } = this.#limits;
    let oldest = this.#events[this.#first];
    while (
      oldest !== undefined &&
      (this.#events.length - this.#first > maxEvents || this.#bytes > maxBytes || now - oldest.keptAt > maxAge)
    ) {
      this.#bytes -= oldest.bytes;
      this.#trimmed = { seq: oldest.seq, tag: oldest.tag };
      this.#events[this.#first] = undefined;
      oldest = this.#events[++this.#first];
    }
    this.#texts.trim(oldest?.text);
    // Cut off in bulk: once for each time as many have gone as remain.
    if (this.#first > 64 && this.#first > this.#events.length / 2) {
      this.#events = this.#events.slice(this.#first);
      this.#first = 0;
    }
  }

  #bounds(): LogBounds | undefined {
    if (this.#tail.seq === 0) return undefined;
    return { epoch: this.#epoch, trimmed: this.#trimmed, tail: this.#tail };
  }

  #at(seq: number): Kept | undefined {
    const index = seq - this.#trimmed.seq - 1;
    return index < 0 ? undefined : this.#events[this.#first + index];
  }

  #mint(entries: readonly LogEntry[]): readonly StoredEvent[] {
    const tag = randomTag();
    const at = Date.now();
    const keptAt = performance.now();
    return entries.map(({ bytes, data, ...named }) => {
      const seq = this.#tail.seq + 1;
      this.#events.push({ named, text: this.#texts.push(data), seq, tag, at, bytes, keptAt });
      this.#bytes += bytes;
      this.#tail = { seq, tag };
      return { ...named, data, id: formatEventId({ epoch: this.#epoch, seq, tag }), at };
    });
  }

  #restore({ named, text, seq, tag, at }: Kept): StoredEvent {
    return { ...named, data: this.#texts.at(text), id: formatEventId({ epoch: this.#epoch, seq, tag }), at };
  }

  #remember({ id, epoch, seq }: Producer, tail: Position): void {
    this.#producers.delete(id);
    this.#producers.set(id, { epoch, seq, tail });
    if (this.#producers.size <= this.#limits.maxProducers) return;
    for (const oldest of this.#producers.keys()) return void this.#producers.delete(oldest);
  }
}

/** An event as it is kept. */
interface Kept extends LogMark {
  readonly named: Pick<NewEvent, "event" | "key">;
  /** Its data. */
  readonly text: TextPlace;
  readonly at: number;
  readonly bytes: number;
  /** On the clock that never steps. */
  readonly keptAt: number;
}
