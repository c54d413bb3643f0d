import { SluiceError } from "@sluice/core";
import type { Appended, AppendOptions, Cursor, EventStore, NewEvent, Position, ReadOptions, Slice } from "@sluice/core";
import { Log, now } from "./log.ts";
import type { LogLimits } from "@sluice/core";
import { resolveOptions } from "./options.ts";
import type { DurableObjectStoreOptions } from "./options.ts";
import { atomically } from "./storage.ts";
import type { Storage } from "./storage.ts";

export type { DurableObjectStoreOptions } from "./options.ts";

/**
 * Creates a store in the SQLite storage of a Durable Object, for the hub that runs inside it. It outlives the object's
 * memory: an object that was evicted, or whose machine was lost, goes on with the same epochs and logs, so clients resume.
 *
 * One object may hold several channels, in tables named `sluice_…`, beside tables of yours; one object for each channel is
 * what scales.
 *
 * @throws {SluiceError} `invalid-option`, also for a storage without SQLite
 *
 * @example
 * ```ts ignore
 * import { DurableObject } from "cloudflare:workers";
 * import { eventStream } from "@sluice/adapter-edge/cloudflare";
 * import { createHub } from "@sluice/core";
 * import { durableObjectStore } from "@sluice/store-durable-object";
 *
 * export class Channel extends DurableObject {
 *   #channel = createHub({ store: durableObjectStore({ storage: this.ctx.storage }) }).channel("events");
 *   #stream = eventStream(this.#channel);
 *
 *   override fetch(request: Request): Promise<Response> {
 *     return this.#stream(request, this.env, this.ctx);
 *   }
 * }
 * ```
 */
export function durableObjectStore(options: DurableObjectStoreOptions): EventStore {
  return new DurableObjectStore(options);
}

class DurableObjectStore implements EventStore {
  readonly durability = "sync";
  readonly #storage: Storage;
  readonly #limits: LogLimits;
  readonly #maxIdle: number;
  readonly #watchers = new Map<string, Set<(hint?: Slice) => void>>();
  #closed = false;

  constructor(options: DurableObjectStoreOptions) {
    const { storage, limits, maxIdle } = resolveOptions(options);
    this.#storage = storage;
    this.#limits = limits;
    this.#maxIdle = maxIdle;
  }

  async append(channel: string, events: readonly NewEvent[], options: AppendOptions = {}): Promise<Appended> {
    const { tail, duplicate, slice } = await this.#transact(() => this.#log(channel).append(events, options));
    if (slice !== undefined) this.#ring(channel, slice);
    return { tail, duplicate };
  }

  async read(channel: string, after: Cursor, options: ReadOptions = {}): Promise<Slice> {
    options.signal?.throwIfAborted();
    return this.#transact(() => this.#log(channel).read(after, options));
  }

  async tails(channels: readonly string[]): Promise<readonly Position[]> {
    return this.#transact(() => channels.map((channel) => this.#log(channel).tail));
  }

  async watch(channel: string, ring: (hint?: Slice) => void, signal: AbortSignal): Promise<void> {
    this.#assertOpen();
    if (signal.aborted) return;
    const bell = (hint?: Slice): void => ring(hint);
    const bells = this.#watchers.get(channel) ?? new Set();
    this.#watchers.set(channel, bells.add(bell));
    const leave = (): void => {
      this.#touch(channel);
      bells.delete(bell);
      if (bells.size === 0 && this.#watchers.get(channel) === bells) this.#watchers.delete(channel);
    };
    signal.addEventListener("abort", leave, { once: true });
  }

  async drop(channel: string): Promise<void> {
    await this.#transact(() => this.#log(channel).drop());
    this.#ring(channel);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watchers.clear();
  }

  /** It was watched until now. Should that not be noted, it expires a little sooner. */
  #touch(channel: string): void {
    if (this.#maxIdle === Infinity || this.#closed) return;
    this.#transact(() => this.#log(channel).touch()).catch(() => {});
  }

  /** The log, unless it has expired: then a new one, which is not stored before it is appended to, or the end of a closed one. */
  #log(channel: string): Log {
    const log = Log.of(this.#storage.sql, channel, this.#limits);
    if (this.#maxIdle === Infinity) return log;
    const idle = now() - log.usedAt;
    if (this.#watchers.has(channel)) {
      // Being watched is noted now and then, for an object that is evicted does not say when its watchers left.
      if (idle > this.#maxIdle / 4) log.touch();
    } else if (idle > this.#maxIdle) {
      log.expire();
      return Log.of(this.#storage.sql, channel, this.#limits);
    }
    return log;
  }

  /** Answers when all that was seen or done is on disk: nobody learns of an event that a crash can take back. */
  async #transact<Result>(run: () => Result): Promise<Result> {
    this.#assertOpen();
    try {
      const result = atomically(this.#storage, run);
      await this.#storage.sync();
      return result;
    } catch (cause) {
      if (cause instanceof SluiceError) throw cause;
      if (cause instanceof Error && cause.message.includes("SQLITE_TOOBIG")) {
        throw new SluiceError(
          "too-large",
          "Cannot append: an event is over the 2 MB that a Durable Object stores in a row",
          {
            cause,
          },
        );
      }
      throw new SluiceError("unavailable", "Cannot use Durable Object store: its storage failed", { cause });
    }
  }

  /** A microtask later, so that an append is never inside its readers' code; a bell that throws silences no other. */
  #ring(channel: string, hint?: Slice): void {
    for (const bell of this.#watchers.get(channel) ?? []) queueMicrotask(() => bell(hint));
  }

  #assertOpen(): void {
    if (this.#closed)
      throw new SluiceError("unavailable", "Cannot use Durable Object store: it has been closed; create another");
  }
}
