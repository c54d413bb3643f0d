import assert from "node:assert/strict";
import type { Cursor, EventStore, NewEvent, Retention, Slice, StoredEvent } from "@sluice/core";
import { follow } from "./follow.ts";
import type { Follow } from "./follow.ts";
import { checkSlice, History, seqOf } from "./history.ts";
import { override } from "./wrap.ts";

/** What a store is made for. */
export interface MakeOptions {
  /**
   * The name of the data: stores of the same world are nodes over the same data, stores of different worlds see nothing
   * of each other. Of `[a-z0-9]`; a new one for each test, so that it may become a file, a schema or a prefix of keys.
   */
  readonly world: string;
  /** As the option of `memoryStore`; undefined where the law has no need of it. */
  readonly retention?: Retention | undefined;
  /** In ms: a channel that nobody has appended to or watched for so long is dropped. */
  readonly maxIdle?: number | undefined;
}

/** Opens a node over the data of a world. Called twice for each, sometimes more; each store is closed after the test. */
export type MakeStore = (options: MakeOptions) => Promise<EventStore>;

/** What only the store's author can do. Laws that need a fault that is not given are skipped, and say so. */
export interface StoreFaults {
  /** Kills the backend, as SIGKILL does. Until the restart, calls fail with `unavailable`, or wait for it. */
  readonly kill?: (world: string) => Promise<void>;
  /** Starts the killed backend again over the same data. Nodes that were made before MUST find it by themselves. */
  readonly restart?: (world: string) => Promise<void>;
  /** Deletes all data of a world behind the store's back. */
  readonly wipe?: (world: string) => Promise<void>;
  /** Takes the last events of a channel away behind the store's back, as the failover to a replica that lagged does. */
  readonly loseTail?: (world: string, channel: string, count: number) => Promise<void>;
  /** Steps the clock that one node, or its backend, goes by; without it, the laws step `Date` of this process. */
  readonly stepClock?: (world: string, ms: number) => Promise<void>;
}

/** What the laws need to know of a store. */
export interface BenchOptions {
  readonly make: MakeStore;
  readonly faults?: StoreFaults | undefined;
  /** The doorbell rings for appends at every node. `false` for a store without one, whose readers poll. Default true. */
  readonly doorbell?: boolean | undefined;
  /** How long something that has to come may take, in ms. Default 10,000. */
  readonly patience?: number | undefined;
  /** The read loop of the laws. Default {@link follow}. */
  readonly follow?: Follow | undefined;
}

/** Two nodes over the same data. */
export interface Nodes {
  readonly world: string;
  readonly a: EventStore;
  readonly b: EventStore;
}

/** A law that cannot be tried on this store, and why. */
export class SkippedLaw extends Error {
  override readonly name = "SkippedLaw";
}

/** What a law is tried on: it opens worlds, follows channels, and closes all when the law has been tried. */
export class Bench {
  readonly options: BenchOptions;
  readonly patience: number;
  readonly #disturb: (store: EventStore) => EventStore;
  readonly #opened: EventStore[] = [];
  readonly #leaving = new AbortController();

  constructor(options: BenchOptions, disturb: (store: EventStore) => EventStore = (store) => store) {
    this.options = options;
    this.patience = options.patience ?? 10_000;
    this.#disturb = disturb;
  }

  /** Opens two nodes over a world that is new. */
  async open(options: Omit<MakeOptions, "world"> = {}): Promise<Nodes> {
    const world = `w${Date.now().toString(36)}x${Math.floor(Math.random() * 2 ** 40).toString(36)}`;
    const make = async (): Promise<EventStore> => {
      const store = await this.options.make({ ...options, world });
      this.#opened.push(store);
      return checked(this.#disturb(store));
    };
    return { world, a: await make(), b: await make() };
  }

  /** The fault, or an end to this law. */
  needs<Name extends keyof StoreFaults>(name: Name): NonNullable<StoreFaults[Name]> {
    const fault = this.options.faults?.[name];
    if (fault === undefined) throw new SkippedLaw(`faults.${name} is not given`);
    return fault;
  }

  /**
   * Follows a channel until there is enough, or it is closed, and checks each slice.
   *
   * @param isEnough asked after each slice
   */
  history(
    node: EventStore,
    channel: string,
    after: Cursor,
    isEnough: (history: History) => boolean = () => false,
    limit?: number,
  ): Promise<History> {
    const result = this.#history(node, channel, after, isEnough, limit);
    // The law may be about something else when this fails; it is told when it asks.
    result.catch(() => {});
    return result;
  }

  async #history(
    node: EventStore,
    channel: string,
    after: Cursor,
    isEnough: (history: History) => boolean,
    limit: number | undefined,
  ): Promise<History> {
    const history = new History(after);
    const leaving = new AbortController();
    const signal = AbortSignal.any([leaving.signal, this.#leaving.signal]);
    const read = async (): Promise<void> => {
      for await (const slice of this.follow(node, channel, after, { signal, limit, pollEvery: 50 })) {
        history.add(slice);
        if (isEnough(history)) return;
      }
    };
    try {
      await this.within(read(), () => `a reader has got no further than ${JSON.stringify(history.slices.at(-1))}`);
    } finally {
      leaving.abort();
    }
    return history;
  }

  get follow(): Follow {
    return this.options.follow ?? follow;
  }

  /** What the promise resolves to; fails when that takes too long. */
  async within<Result>(promise: Promise<Result>, problem: () => string): Promise<Result> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`After ${this.patience} ms, ${problem()}`)), this.patience);
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Asks until the answer is yes. */
  async until(isSo: () => Promise<boolean>, problem: string, pause = 20): Promise<void> {
    const startedAt = performance.now();
    while (!(await isSo())) {
      if (performance.now() - startedAt > this.patience) throw new Error(`After ${this.patience} ms, ${problem}`);
      await sleep(pause);
    }
  }

  async close(): Promise<void> {
    this.#leaving.abort();
    await Promise.all(this.#opened.map((store) => store.close()));
  }
}

/** Fails a call that answers what no store may answer, whichever law was being tried. */
function checked(store: EventStore): EventStore {
  const codes = ["closed", "fenced", "sequence", "conflict", "too-large", "unavailable"];
  const coded = <Result>(promise: Promise<Result>): Promise<Result> =>
    promise.catch((error: unknown) => {
      if (codes.includes(codeOf(error))) throw error;
      throw new Error(`A store may fail only with a SluiceError of code ${codes.join(", ")}`, { cause: error });
    });
  return override(store, {
    append: async (channel, events, options) => {
      const appended = await coded(store.append(channel, events, options));
      seqOf(appended.tail);
      assert.equal(typeof appended.duplicate, "boolean");
      return appended;
    },
    read: async (channel, after, options) => {
      try {
        const slice = await coded(store.read(channel, after, options));
        checkSlice(after, slice);
        return slice;
      } catch (error) {
        options?.signal?.throwIfAborted();
        throw error;
      }
    },
    tails: (channels) => coded(store.tails(channels)),
    drop: (channel) => coded(store.drop(channel)),
  });
}

/** The code that a call failed with. */
export function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : String(error);
}

/** The code that the call fails with; undefined where it does not. */
export async function failure(call: Promise<unknown>): Promise<string | undefined> {
  try {
    await call;
  } catch (error) {
    return codeOf(error);
  }
  return undefined;
}

/** Events with the data `0`, `1`, `2` … */
export function numbered(count: number, from = 0): NewEvent[] {
  return Array.from({ length: count }, (_, i) => ({ data: String(from + i) }));
}

export function datasOf(slice: Slice): string[] {
  return slice.events.map(({ data }) => data);
}

/** All that is retained, read slice by slice. */
export async function readAll(node: EventStore, channel: string, after: Cursor = "start"): Promise<History> {
  const history = new History(after);
  for (let cursor = after; ;) {
    const slice = await node.read(channel, cursor);
    history.add(slice);
    cursor = slice.next;
    if (slice.upToDate) return history;
    assert.ok(slice.events.length > 0, "a read finds nothing, and yet is not up to date");
  }
}

/** The last of a list that is not empty. */
export function lastOf(events: readonly StoredEvent[]): StoredEvent {
  const last = events.at(-1);
  assert.ok(last !== undefined, "there is no event");
  return last;
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
