import { aDuration, aSize, checkOptions } from "./check-options.ts";
import type { Rule } from "./check-options.ts";
import { SluiceError, show } from "./errors.ts";
import type {
  Appended,
  AppendOptions,
  Cursor,
  EventStore,
  NewEvent,
  Position,
  ReadOptions,
  Slice,
} from "./event-store.ts";
import { resolveAppend } from "./append.ts";
import { MemoryLog, readEmpty } from "./memory-log.ts";
import { logRules, resolveLogLimits } from "./retention.ts";
import type { LogLimits, LogOptions } from "./retention.ts";
import { nextTurn, startTimer } from "./timer.ts";
import { isTurnOver } from "./turns.ts";

/** Options of {@link memoryStore}. */
export interface MemoryStoreOptions extends LogOptions {
  /** The most channels; an append to one more fails with `too-large`. Default 10,000. */
  readonly maxChannels?: number | undefined;
  /**
   * A channel that nobody has appended to or watched for so many ms is dropped; `false` for never. Default an hour. One
   * that was closed loses its events, and is remembered as closed: see `maxClosed`.
   */
  readonly maxIdle?: number | false | undefined;
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
  const action = "Cannot create memory store";
  checkOptions(action, options, rules);
  return new MemoryStore(options, resolveLogLimits(action, options));
}

const rules: Readonly<Record<keyof MemoryStoreOptions, Rule>> = {
  ...logRules,
  maxChannels: aSize,
  maxIdle: aDuration,
};

/** How often, at the most, is looked for what has expired, in ms. */
const SWEEP = 60_000;

class MemoryStore implements EventStore {
  readonly durability = "process";
  readonly #limits: LogLimits;
  readonly #maxChannels: number;
  readonly #maxIdle: number;
  readonly #sweepEvery: number;
  readonly #logs = new Map<string, MemoryLog>();
  /** Closed channels that have expired, oldest first: where each ended is all that is kept of it. */
  readonly #ends = new Map<string, Position>();
  readonly #watchers = new Map<string, Set<(hint?: Slice) => void>>();
  #stopSweeping: (() => void) | undefined = undefined;
  #closed = false;

  constructor({ maxChannels, maxIdle }: MemoryStoreOptions, limits: LogLimits) {
    this.#limits = limits;
    this.#maxChannels = maxChannels ?? 10_000;
    this.#maxIdle = maxIdle === false ? Infinity : (maxIdle ?? 3_600_000);
    const soonest = Math.min(this.#maxIdle, this.#limits.maxAge);
    this.#sweepEvery = soonest === Infinity ? Infinity : Math.min(SWEEP, soonest);
  }

  async append(channel: string, events: readonly NewEvent[], options: AppendOptions = {}): Promise<Appended> {
    this.#assertOpen();
    const known = this.#logs.get(channel);
    if (known === undefined && this.#ends.has(channel)) return this.#appendToEnded(channel, events, options);
    const log = known ?? new MemoryLog(this.#limits);
    const { tail, duplicate, hasChanged, hint } = log.append(events, options, this.#watchers.has(channel));
    if (hasChanged) {
      if (known === undefined) this.#add(channel, log);
      if (hint !== undefined) this.#ring(channel, hint);
    }
    return { tail, duplicate };
  }

  async read(channel: string, after: Cursor, options: ReadOptions = {}): Promise<Slice> {
    this.#assertOpen();
    options.signal?.throwIfAborted();
    const log = this.#logs.get(channel);
    if (log !== undefined) return log.read(after, options);
    const end = this.#ends.get(channel);
    return readEmpty(after, end ?? "origin", end !== undefined);
  }

  async tails(channels: readonly string[]): Promise<readonly Position[]> {
    this.#assertOpen();
    return channels.map((channel) => this.#logs.get(channel)?.tail ?? this.#ends.get(channel) ?? "origin");
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
    const wasThere = this.#logs.delete(channel);
    if (this.#ends.delete(channel) || wasThere) this.#ring(channel);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stopSweeping?.();
    this.#logs.clear();
    this.#ends.clear();
    this.#watchers.clear();
  }

  #add(channel: string, log: MemoryLog): void {
    if (this.#logs.size >= this.#maxChannels) {
      const now = performance.now();
      for (const each of this.#logs) this.#look(...each, now);
    }
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
    this.#stopSweeping = startTimer(this.#sweepEvery, () => this.#sweepOn(this.#logs.entries()));
  }

  /** Looks at all channels, in as many turns of the event loop as that takes. */
  #sweepOn(logs: Iterator<[channel: string, log: MemoryLog]>): void {
    const now = performance.now();
    for (let looked = 1; ; looked++) {
      const { done, value } = logs.next();
      if (done === true) break;
      this.#look(...value, now);
      if (looked % 64 === 0 && isTurnOver()) return nextTurn(() => this.#sweepOn(logs));
    }
    this.#stopSweeping = undefined;
    if (this.#logs.size > 0) this.#sweepLater();
  }

  #look(channel: string, log: MemoryLog, now: number): void {
    log.trim(now);
    if (now - log.usedAt >= this.#maxIdle && !this.#watchers.has(channel)) this.#expire(channel, log);
  }

  #expire(channel: string, { tail, closed }: MemoryLog): void {
    this.#logs.delete(channel);
    if (!closed) return;
    // Copies: a name may be a part of a text that it would keep alive, and a position is put together from parts.
    this.#ends.set(structuredClone(channel), structuredClone(tail));
    if (this.#ends.size <= this.#limits.maxClosed) return;
    for (const oldest of this.#ends.keys()) return void this.#ends.delete(oldest);
  }

  #appendToEnded(channel: string, events: readonly NewEvent[], options: AppendOptions): Appended {
    const { maxBytes } = this.#limits;
    const state = { tail: this.#ends.get(channel) as Position, closed: true, producer: undefined, maxBytes };
    return resolveAppend(events, options, state).answer as Appended;
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
