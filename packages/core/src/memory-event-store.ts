import { checkOptions, milliseconds, size } from "./check-options.ts";
import type { Rule } from "./check-options.ts";
import { formatEventId, ORIGIN, positionOf, randomEpoch, randomTag, resolveCursor } from "./cursor.ts";
import type { LogBounds, LogMark } from "./cursor.ts";
import { SluiceError, show } from "./errors.ts";
import type {
  Appended,
  AppendOptions,
  Cursor,
  EventStore,
  NewEvent,
  Position,
  Producer,
  ReadOptions,
  Slice,
  StoredEvent,
} from "./event-store.ts";
import { startTimer } from "./timer.ts";

/** How much of each channel is kept. What is over a limit goes, oldest first. */
export interface Retention {
  /** Default 1,000. */
  readonly maxEvents?: number | undefined;
  /** In bytes, counted as one for each UTF-16 code unit and 64 for each event. Default 8 MiB. */
  readonly maxBytes?: number | undefined;
  /** In ms; `false` for no limit. Default `false`. */
  readonly maxAge?: number | false | undefined;
}

/** Options of {@link memoryStore}. */
export interface MemoryStoreOptions {
  readonly retention?: Retention | undefined;
  /** The most channels; an append to one more fails with `too-large`. Default 10,000. */
  readonly maxChannels?: number | undefined;
  /** A channel that nobody has appended to or watched for so many ms is dropped; `false` for never. Default an hour. */
  readonly maxIdle?: number | false | undefined;
  /** The most producers that each channel remembers; the one that was silent the longest is forgotten. Default 1,000. */
  readonly maxProducers?: number | undefined;
}

/**
 * Creates a store in the memory of this process: the reference implementation of {@link EventStore}, and the store of a
 * hub that is given none. Everything in it ends with the process; a client that comes back afterwards is told `reset`.
 *
 * @throws {SluiceError} `invalid-option`
 *
 * @example
 * ```ts
 * import { memoryStore } from "@sluice/core";
 *
 * const store = memoryStore({ retention: { maxEvents: 100 } });
 * await store.append("news", [{ data: "one" }, { data: "two" }]);
 * const { events, next, upToDate } = await store.read("news", "start", { limit: 1 });
 * console.assert(events[0]?.data === "one" && next === events[0].id && !upToDate);
 * ```
 */
export function memoryStore(options: MemoryStoreOptions = {}): EventStore {
  checkOptions("Cannot create memory store", options, rules);
  checkOptions("Cannot create memory store", options.retention ?? {}, retentionRules);
  return new MemoryStore(options);
}

const rules: Readonly<Record<keyof MemoryStoreOptions, Rule>> = {
  retention: { allows: (value) => typeof value === "object" && value !== null, wanted: "an object of limits" },
  maxChannels: size,
  maxIdle: milliseconds,
  maxProducers: size,
};

const retentionRules: Readonly<Record<keyof Retention, Rule>> = {
  maxEvents: size,
  maxBytes: size,
  maxAge: milliseconds,
};

interface Limits {
  readonly maxEvents: number;
  readonly maxBytes: number;
  readonly maxAge: number;
  readonly maxProducers: number;
}

/** How often, at the most, is looked for what has expired, in ms. */
const SWEEP = 60_000;

class MemoryStore implements EventStore {
  readonly durability = "process";
  readonly #limits: Limits;
  readonly #maxChannels: number;
  readonly #maxIdle: number;
  readonly #sweepEvery: number;
  readonly #logs = new Map<string, Log>();
  readonly #watchers = new Map<string, Set<(hint?: Slice) => void>>();
  #stopSweeping: (() => void) | undefined = undefined;
  #closed = false;

  constructor({ retention = {}, maxChannels, maxIdle, maxProducers }: MemoryStoreOptions) {
    this.#limits = {
      maxEvents: retention.maxEvents ?? 1000,
      maxBytes: retention.maxBytes ?? 8 * 1024 * 1024,
      maxAge: retention.maxAge || Infinity,
      maxProducers: maxProducers ?? 1000,
    };
    this.#maxChannels = maxChannels ?? 10_000;
    this.#maxIdle = maxIdle === false ? Infinity : (maxIdle ?? 3_600_000);
    const soonest = Math.min(this.#maxIdle, this.#limits.maxAge);
    this.#sweepEvery = soonest === Infinity ? Infinity : Math.min(SWEEP, soonest);
  }

  async append(channel: string, events: readonly NewEvent[], options: AppendOptions = {}): Promise<Appended> {
    this.#assertOpen();
    const known = this.#logs.get(channel);
    const log = known ?? new Log(this.#limits);
    const outcome = log.append(events, options);
    if (outcome.duplicate || !outcome.changed) return { tail: outcome.tail, duplicate: outcome.duplicate };
    if (known === undefined) this.#add(channel, log);
    this.#ring(channel, outcome.slice);
    return { tail: outcome.tail, duplicate: false };
  }

  async read(channel: string, after: Cursor, options: ReadOptions = {}): Promise<Slice> {
    this.#assertOpen();
    options.signal?.throwIfAborted();
    return (this.#logs.get(channel) ?? new Log(this.#limits)).read(after, options);
  }

  async tails(channels: readonly string[]): Promise<readonly Position[]> {
    this.#assertOpen();
    return channels.map((channel) => this.#logs.get(channel)?.tail ?? "origin");
  }

  async watch(channel: string, ring: (hint?: Slice) => void, signal: AbortSignal): Promise<void> {
    this.#assertOpen();
    if (signal.aborted) return;
    const bell = (hint?: Slice): void => ring(hint);
    const bells = this.#watchers.get(channel) ?? new Set();
    this.#watchers.set(channel, bells.add(bell));
    signal.addEventListener(
      "abort",
      () => {
        bells.delete(bell);
        if (bells.size === 0 && this.#watchers.get(channel) === bells) this.#watchers.delete(channel);
        this.#logs.get(channel)?.touch();
      },
      { once: true },
    );
  }

  async drop(channel: string): Promise<void> {
    this.#assertOpen();
    this.#drop(channel);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stopSweeping?.();
    this.#logs.clear();
    this.#watchers.clear();
  }

  #add(channel: string, log: Log): void {
    if (this.#logs.size >= this.#maxChannels) this.#sweep();
    if (this.#logs.size >= this.#maxChannels) {
      throw new SluiceError(
        "too-large",
        `Cannot append to ${show(channel)}: there are maxChannels (${this.#maxChannels}) channels; drop some, or raise the limit`,
        { option: "maxChannels" },
      );
    }
    this.#logs.set(channel, log);
    this.#sweepLater();
  }

  /** One timer for all channels, none while there are no channels or nothing can expire. */
  #sweepLater(): void {
    if (this.#stopSweeping !== undefined || this.#sweepEvery === Infinity) return;
    this.#stopSweeping = startTimer(this.#sweepEvery, () => {
      this.#stopSweeping = undefined;
      this.#sweep();
      if (this.#logs.size > 0) this.#sweepLater();
    });
  }

  #sweep(): void {
    const now = performance.now();
    for (const [channel, log] of this.#logs) {
      log.trim(now);
      if (now - log.usedAt >= this.#maxIdle && !this.#watchers.has(channel)) this.#drop(channel);
    }
  }

  #drop(channel: string): void {
    if (this.#logs.delete(channel)) this.#ring(channel);
  }

  /** A microtask later, so that an append is never inside its readers' code; a bell that throws silences no other. */
  #ring(channel: string, hint?: Slice): void {
    for (const bell of this.#watchers.get(channel) ?? []) queueMicrotask(() => bell(hint));
  }

  #assertOpen(): void {
    if (this.#closed)
      throw new SluiceError("unavailable", "Cannot use memory store: it has been closed; create another");
  }
}

interface Outcome extends Appended {
  readonly changed: boolean;
  readonly slice?: Slice;
}

/** What a producer last did. */
interface Done {
  readonly epoch: number;
  readonly seq: number;
  readonly tail: Position;
}

/** One channel's log. Every method is synchronous, which is what makes it atomic. */
class Log {
  usedAt: number = performance.now();

  readonly #limits: Limits;
  readonly #epoch: string = randomEpoch();
  /** Retained events from `#first` on; what lies before has been removed, and is cut off now and then. */
  #events: Kept[] = [];
  #first = 0;
  #bytes = 0;
  #trimmed: LogMark = ORIGIN;
  #tail: LogMark = ORIGIN;
  #closed = false;
  /** In the order of their last append. */
  readonly #producers = new Map<string, Done>();

  constructor(limits: Limits) {
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
      if (before !== undefined) return { tail: before.tail, duplicate: true, changed: false };
    }
    const { tail } = this;
    if (this.#closed) {
      if (events.length === 0) return { tail, duplicate: false, changed: false };
      throw new SluiceError("closed", "Cannot append: the channel is closed; drop it to begin anew");
    }
    if (ifTail !== undefined && ifTail !== tail) {
      throw new SluiceError(
        "conflict",
        `Cannot append: the tail is ${show(tail)}, not ${show(ifTail)}; read on and decide again`,
      );
    }
    if (events.length === 0 && !close) return { tail, duplicate: false, changed: false };
    const kept = this.#mint(events);
    this.#closed = close;
    this.touch();
    this.trim(this.usedAt);
    if (producer !== undefined) this.#remember(producer);
    const slice: Slice = { from: tail, events: kept, next: this.tail, upToDate: true, closed: close };
    return { tail: this.tail, duplicate: false, changed: true, slice };
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
      events.push(kept.event);
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
      oldest = this.#events[++this.#first];
    }
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
    return events.map(({ event, data, key }, index) => {
      const seq = this.#tail.seq + 1;
      const bytes = sizes[index] as number;
      const id = formatEventId({ epoch: this.#epoch, seq, tag });
      const stored: StoredEvent = {
        ...(event !== undefined && { event }),
        data,
        ...(key !== undefined && { key }),
        id,
        at,
      };
      this.#events.push({ event: stored, seq, tag, bytes, keptAt });
      this.#bytes += bytes;
      this.#tail = { seq, tag };
      return stored;
    });
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

interface Kept extends LogMark {
  readonly event: StoredEvent;
  readonly bytes: number;
  /** On the clock that never steps. */
  readonly keptAt: number;
}

function sizeOf({ event = "", data, key = "" }: NewEvent): number {
  return event.length + data.length + key.length + 64;
}
