import { formatEventId, ORIGIN, positionOf, randomEpoch, randomTag, resolveCursor } from "./cursor.ts";
import type { LogBounds, LogMark } from "./cursor.ts";
import { SluiceError, show } from "./errors.ts";
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

/** What a producer last did. */
interface Done {
  readonly epoch: number;
  readonly seq: number;
  readonly tail: Position;
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
  readonly #producers = new Map<string, Done>();

  constructor(limits: LogLimits) {
    this.#limits = limits;
  }

  get tail(): Position {
    return positionOf(this.#epoch, this.#tail);
  }

  touch(): void {
    this.usedAt = performance.now();
  }

  append(events: readonly NewEvent[], { producer, ifTail, close = false }: AppendOptions): Outcome {
    if (producer !== undefined) {
      const before = this.#verdict(producer);
      if (before !== undefined) return { tail: before.tail, duplicate: true };
    }
    const { tail } = this;
    if (this.#closed) {
      if (events.length === 0) return { tail, duplicate: false };
      throw new SluiceError("closed", "Cannot append: the channel is closed; drop it to begin anew");
    }
    if (ifTail !== undefined && ifTail !== tail) {
      throw new SluiceError(
        "conflict",
        `Cannot append: the tail is ${show(tail)}, not ${show(ifTail)}; read on and decide again`,
      );
    }
    if (events.length === 0 && !close) return { tail, duplicate: false };
    const kept = this.#mint(events);
    this.#closed = close;
    this.touch();
    this.trim(this.usedAt);
    if (producer !== undefined) this.#remember(producer);
    const slice: Slice = { from: tail, events: kept, next: this.tail, upToDate: true, closed: close };
    return { tail: this.tail, duplicate: false, slice };
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

  /** All are sized before one is kept: an append that is refused leaves nothing. */
  #mint(events: readonly NewEvent[]): readonly StoredEvent[] {
    const sizes = events.map(sizeOf);
    const tooLarge = sizes.find((bytes) => bytes > this.#limits.maxBytes);
    if (tooLarge !== undefined) {
      throw new SluiceError(
        "too-large",
        `Cannot append: an event of ${tooLarge} bytes is over the retention's maxBytes (${this.#limits.maxBytes}); split it or raise the limit`,
        { option: "maxBytes" },
      );
    }
    const tag = randomTag();
    const at = Date.now();
    const keptAt = performance.now();
    return events.map((event, index) => {
      const { data, ...named } = wellFormed(event);
      const seq = this.#tail.seq + 1;
      const bytes = sizes[index] as number;
      this.#events.push({ named, text: this.#texts.push(data), seq, tag, at, bytes, keptAt });
      this.#bytes += bytes;
      this.#tail = { seq, tag };
      return { ...named, data, id: formatEventId({ epoch: this.#epoch, seq, tag }), at };
    });
  }

  #restore({ named, text, seq, tag, at }: Kept): StoredEvent {
    return { ...named, data: this.#texts.at(text), id: formatEventId({ epoch: this.#epoch, seq, tag }), at };
  }

  /** @returns what the append did when it first came; undefined for one that is new */
  #verdict({ id, epoch, seq }: Producer): Done | undefined {
    const last = this.#producers.get(id);
    if (last !== undefined && epoch < last.epoch) {
      throw new SluiceError(
        "fenced",
        `Cannot append: producer ${show(id)} is at epoch ${last.epoch}, this is ${epoch}; another has taken over`,
      );
    }
    const expected = last === undefined || epoch > last.epoch ? 0 : last.seq + 1;
    if (seq === expected) return undefined;
    if (seq < expected) return last;
    throw new SluiceError(
      "sequence",
      `Cannot append: producer ${show(id)} should send seq ${expected}, this is ${seq}; an append is missing`,
    );
  }

  #remember({ id, epoch, seq }: Producer): void {
    this.#producers.delete(id);
    this.#producers.set(id, { epoch, seq, tail: this.tail });
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

function sizeOf({ event = "", data, key = "" }: NewEvent): number {
  return event.length + data.length + key.length + 64;
}

/** As UTF-8 can have it: what readers see live has to be what they see replayed. */
function wellFormed({ event, data, key }: NewEvent): NewEvent {
  return {
    ...(event !== undefined && { event: event.toWellFormed() }),
    data: data.toWellFormed(),
    ...(key !== undefined && { key: key.toWellFormed() }),
  };
}
