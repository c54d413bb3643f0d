import { formatEventId, memoryStore, parseEventId } from "@sluice/core";
import type { AppendOptions, Cursor, EventStore, NewEvent, Slice, StoredEvent } from "@sluice/core";
import { codeOf } from "./bench.ts";
import type { MakeOptions, MakeStore } from "./bench.ts";
import { follow } from "./follow.ts";
import type { Follow, FollowOptions } from "./follow.ts";
import { without } from "./without.ts";
import { override } from "./wrap.ts";

/** What the nodes of one world know together. */
interface World {
  readonly store: EventStore;
  readonly notes: Map<string, unknown>;
}

/** Makes one node of a store with a fault. */
type Fault = (world: World, options: MakeOptions) => EventStore;

/**
 * Stores with one fault each, of the kind that is made when a store is written, over `memoryStore`. Each of them fails at
 * least one law; a law that no mutant fails is not tested itself. By name: a `make` for `storeSuite` or `runLaw`.
 */
export function storeMutants(): Readonly<Record<string, MakeStore>> {
  return Object.fromEntries(Object.entries(faults).map(([name, fault]) => [name, makeWith(fault)]));
}

function makeWith(fault: Fault): MakeStore {
  const worlds = new Map<string, World>();
  return async (options) => {
    const { world: name, retention, maxIdle } = options;
    const world = worlds.get(name) ?? { store: memoryStore({ retention, maxIdle }), notes: new Map() };
    worlds.set(name, world);
    return fault(world, options);
  };
}

const faults: Readonly<Record<string, Fault>> = {
  "every epoch is the same": ({ store }) => withEpochs(store, () => "e"),

  "a drop keeps the epoch": ({ store, notes }) => withEpochs(store, (channel, epoch) => noted(notes, channel, epoch)),

  "truncation is silent": ({ store }) =>
    reads(store, (slice) => (slice.gap === "truncated" ? continued(slice) : slice)),

  "truncation is silent for `origin`": ({ store }) =>
    reads(store, (slice, after) => (after === "origin" ? continued(slice) : slice)),

  "a cursor is looked up as an id, and one that is not found is the start": ({ store }) =>
    reads(store, (slice) => (slice.gap === "reset" || slice.gap === "unknown" ? continued(slice) : slice)),

  "a cursor that is not found is the tail": ({ store }) =>
    override(store, {
      read: async (channel, after, options) => {
        const slice = await store.read(channel, after, options);
        return slice.gap === undefined ? slice : store.read(channel, "tail", options);
      },
    }),

  "tags are ignored": ({ store }) =>
    override(store, {
      read: async (channel, after, options) => {
        const slice = await store.read(channel, after, options);
        const wanted = parseEventId(after);
        if (slice.gap !== "reset" || wanted === undefined) return slice;
        const { events } = await store.read(channel, "start", { limit: 1000 });
        const real = events
          .map(({ id }) => parseEventId(id))
          .find((id) => id?.epoch === wanted.epoch && id.seq === wanted.seq);
        return real === undefined
          ? slice
          : { ...(await store.read(channel, formatEventId(real), options)), from: after };
      },
    }),

  "a cursor that is garbage throws": ({ store }) =>
    reads(store, (slice) => {
      if (slice.gap === "unknown") throw new TypeError("Cannot read properties of null (reading '1')");
      return slice;
    }),

  "a cursor that is garbage comes back": ({ store }) =>
    reads(store, (slice, after) =>
      slice.gap === "unknown" && slice.events.length === 0 ? { ...slice, next: after } : slice,
    ),

  "the boundary of what was removed is a gap": ({ store }) =>
    override(store, {
      read: async (channel, after, options) => {
        const slice = await store.read(channel, after, options);
        const { from } = await store.read(channel, "start", { limit: 1 });
        return after === from && after !== "origin" ? { ...slice, gap: "truncated" } : slice;
      },
    }),

  "retention leaves a hole": ({ store }) =>
    reads(store, (slice) =>
      seqOf(slice.from) > 0
        ? { ...slice, events: slice.events.filter(({ id }) => seqOf(id) % 5 !== 0 || id === slice.next) }
        : slice,
    ),

  "tails are looked up in what is retained": ({ store }) =>
    override(store, {
      tails: async (channels) => {
        const slices = await Promise.all(channels.map((channel) => store.read(channel, "start")));
        return slices.map(({ events, upToDate, next }) => (events.length === 0 && upToDate ? "origin" : next));
      },
    }),

  "producers are ignored": ({ store }) =>
    appends(store, (channel, events, options) => store.append(channel, events, without(options, "producer"))),

  "what a producer did is known to one node": ({ store, notes }) => {
    const node = `node ${notes.size}`;
    notes.set(node, true);
    return appends(store, (channel, events, { producer, ...options }) =>
      store.append(
        channel,
        events,
        producer ? { ...options, producer: { ...producer, id: producer.id + node } } : options,
      ),
    );
  },

  "nobody is fenced": ({ store }) =>
    appends(store, async (channel, events, options) => {
      try {
        return await store.append(channel, events, options);
      } catch (error) {
        if (codeOf(error) !== "fenced") throw error;
        return store.append(channel, events, { ...options, producer: undefined });
      }
    }),

  "an append that a producer left out is not missed": ({ store }) =>
    appends(store, async (channel, events, options) => {
      try {
        return await store.append(channel, events, options);
      } catch (error) {
        if (codeOf(error) !== "sequence") throw error;
        return store.append(channel, events, { ...options, producer: undefined });
      }
    }),

  "a batch is appended one by one": ({ store }) =>
    appends(store, async (channel, events, options) => {
      if (events.length < 2 || Object.keys(options).length > 0) return store.append(channel, events, options);
      let done = await store.append(channel, events.slice(0, 1), options);
      for (const event of events.slice(1)) {
        await macrotask();
        done = await store.append(channel, [event], options);
      }
      return done;
    }),

  "an event is visible before one that is numbered below it": ({ store, notes }) => {
    const hidden = noted(notes, "hidden", new Set<string>());
    const shown = (slice: Slice): Slice => {
      const events = slice.events.filter(({ id }) => !hidden.has(id));
      return { ...slice, events, next: events.at(-1)?.id ?? slice.from };
    };
    return override(store, {
      append: async (channel, events, options) => {
        const done = await store.append(channel, events, options);
        hidden.add(done.tail);
        // Every third commit takes its time.
        for (let turns = seqOf(done.tail) % 3 === 0 ? 3 : 0; turns > 0; turns--) await macrotask();
        hidden.delete(done.tail);
        return done;
      },
      read: async (...call) => shown(await store.read(...call)),
      watch: (channel, ring, signal) => store.watch(channel, () => ring(), signal),
    });
  },

  "an append is acknowledged before it is stored": ({ store }) =>
    appends(store, async (channel, events, options) => {
      const done = store.append(channel, events, options);
      if (Object.keys(options).length > 0) return done;
      const [tail = "origin"] = await store.tails([channel]);
      return { tail: tail === "origin" ? tail : formatEventId({ ...partsOf(tail), tag: "soon" }), duplicate: false };
    }),

  "one node reads from a replica that lags": ({ store, notes }) => {
    if (!notes.has("first")) {
      notes.set("first", true);
      return store;
    }
    const seen = new Map<string, Promise<Slice>>();
    return override(store, {
      read: async (channel, after, options) => {
        const key = JSON.stringify([channel, after, options?.limit]);
        const slice = seen.get(key) ?? store.read(channel, after, options);
        seen.set(key, slice);
        setTimeout(() => seen.delete(key), 10);
        return slice;
      },
    });
  },

  "`ifTail` is ignored": ({ store }) =>
    appends(store, (channel, events, options) => store.append(channel, events, without(options, "ifTail"))),

  "`ifTail` is compared before the append, not within": ({ store }) =>
    appends(store, async (channel, events, { ifTail, ...options }) => {
      const [tail] = await store.tails([channel]);
      if (ifTail !== undefined && ifTail !== tail) return store.append(channel, events, { ...options, ifTail });
      return store.append(channel, events, options);
    }),

  "what is closed is known to one node": ({ store }) => {
    const closed = new Set<string>();
    return override(withoutClose(store), {
      append: async (channel, events, options = {}) => {
        if (closed.has(channel) && events.length > 0) throw Object.assign(new Error("closed"), { code: "closed" });
        if (options.close === true) closed.add(channel);
        return withoutClose(store).append(channel, events, options);
      },
      read: async (channel, after, options) => {
        const slice = await store.read(channel, after, options);
        return { ...slice, closed: slice.upToDate && closed.has(channel) };
      },
    });
  },

  "what is closed takes appends": ({ store, notes }) => {
    const closed = noted(notes, "closed", new Set<string>());
    return override(store, {
      append: async (channel, events, options = {}) => {
        if (options.close === true) closed.add(channel);
        return withoutClose(store).append(channel, events, options);
      },
      read: async (channel, after, options) => {
        const slice = await store.read(channel, after, options);
        return { ...slice, closed: slice.upToDate && closed.has(channel) };
      },
      watch: (channel, ring, signal) => store.watch(channel, () => ring(), signal),
    });
  },

  "to close is an append of its own": ({ store }) =>
    appends(store, async (channel, events, { close, ...options }) => {
      const done = await store.append(channel, events, options);
      if (close !== true) return done;
      await macrotask();
      await store.append(channel, [], { close });
      return done;
    }),

  "to close wakes nobody, and is not read": ({ store }) =>
    reads(store, (slice) => (slice.events.length === 0 ? { ...slice, closed: false } : slice)),

  "live events have other ids than replayed ones": ({ store }) =>
    override(store, {
      watch: (channel, ring, signal) => store.watch(channel, (hint) => ring(hint && retagged(hint)), signal),
    }),

  "the limit of a read is ignored": ({ store }) =>
    override(store, {
      read: (channel, after, options) => store.read(channel, after, { ...options, limit: 1_000_000 }),
    }),

  "the bytes of a read are ignored": ({ store }) =>
    override(store, {
      read: (channel, after, options) => store.read(channel, after, { ...options, maxBytes: 1e9 }),
    }),

  "a read is always up to date": ({ store }) => reads(store, (slice) => ({ ...slice, upToDate: true })),

  "keys are not kept": ({ store }) =>
    reads(store, (slice) => ({ ...slice, events: slice.events.map((event) => without(event, "key")) })),

  "tails come without the channels that have none": ({ store }) =>
    override(store, { tails: async (channels) => (await store.tails(channels)).filter((tail) => tail !== "origin") }),

  "a drop takes what begins with the name": ({ store, notes }) => {
    const names = noted(notes, "names", new Set<string>());
    return override(store, {
      append: (channel, ...call) => {
        names.add(channel);
        return store.append(channel, ...call);
      },
      drop: async (channel) => {
        const pattern = channel.replace(/[*%_]$/, "");
        await Promise.all([...names].filter((name) => name.startsWith(pattern)).map((name) => store.drop(name)));
      },
    });
  },

  "the wall clock decides what is visible": ({ store }) =>
    reads(store, (slice) => {
      const events = slice.events.filter(({ at }) => at <= Date.now());
      return { ...slice, events, next: events.at(-1)?.id ?? slice.from };
    }),

  "an idle channel keeps its epoch": ({ store, notes }, { maxIdle }) =>
    maxIdle === undefined ? store : withEpochs(store, (channel, epoch) => noted(notes, channel, epoch)),

  "a closed channel is forgotten when it expires": ({ store }, { maxIdle }) => {
    const forget = async (channel: string): Promise<void> => {
      const { from, events, closed } = await store.read(channel, "start");
      if (maxIdle !== undefined && closed && events.length === 0 && from !== "origin") await store.drop(channel);
    };
    return override(store, {
      append: async (channel, ...call) => forget(channel).then(() => store.append(channel, ...call)),
      read: async (channel, ...call) => forget(channel).then(() => store.read(channel, ...call)),
      tails: async (channels) => Promise.all(channels.map(forget)).then(() => store.tails(channels)),
    });
  },

  "a closed channel that has expired has lost its end": ({ store }) =>
    reads(store, (slice) => {
      const isEnd = slice.closed && slice.events.length === 0 && slice.gap !== undefined;
      return isEnd ? { ...slice, closed: false } : slice;
    }),

  "the bell rings on when the reader has left": ({ store }) =>
    override(store, { watch: (channel, ring) => store.watch(channel, ring, new AbortController().signal) }),

  "a bell is in place only later": ({ store }) =>
    override(store, {
      watch: async (channel, ring, signal) => {
        setTimeout(() => void store.watch(channel, ring, signal).catch(() => {}), 60_000).unref();
      },
    }),
};

/** Read loops with one fault each. Some fail a law; those that need an unlucky order fail `exploreInterleavings`. */
export const loopMutants: Readonly<Record<string, Follow>> = {
  "reads, then subscribes": async function* (store, channel, after, { signal, limit } = {}) {
    let cursor = after;
    for (let upToDate = false; !upToDate;) {
      const slice = await store.read(channel, cursor, { limit });
      cursor = slice.next;
      upToDate = slice.upToDate;
      yield slice;
      if (slice.closed) return;
    }
    yield* hints(store, channel, signal);
  },

  "believes every hint": async function* (store, channel, after, { signal, limit, pollEvery } = {}) {
    for await (const slice of follow(store, channel, after, { signal, limit, pollEvery })) {
      yield slice;
      if (slice.closed || !slice.upToDate) continue;
      yield* hints(store, channel, signal);
      return;
    }
  },

  "believes a hint at `origin`": (store, channel, after, options) =>
    loop(store, channel, after, { ...options, fits: (hint, cursor) => hint.from === cursor }),

  "believes the last hint, and that it is the newest": (store, channel, after, options) =>
    loop(store, channel, after, { ...options, keepsHints: true }),

  "clears the bell after the read": (store, channel, after, options) =>
    loop(store, channel, after, { ...options, clearsLate: true }),

  "registers the bell after the first read": (store, channel, after, options) =>
    loop(store, channel, after, { ...options, watchesLate: true }),
};

async function* hints(store: EventStore, channel: string, signal: AbortSignal | undefined): AsyncGenerator<Slice> {
  const leaving = new AbortController();
  const queue: Slice[] = [];
  let wake = (): void => {};
  const ring = (hint?: Slice): void => {
    if (hint !== undefined) queue.push(hint);
    wake();
  };
  signal?.addEventListener("abort", () => wake());
  try {
    await store.watch(channel, ring, leaving.signal);
    while (signal?.aborted !== true) {
      const slice = queue.shift();
      if (slice !== undefined) yield slice;
      if (slice?.closed === true) return;
      if (queue.length === 0) await new Promise<void>((resolve) => void (wake = resolve));
    }
  } finally {
    leaving.abort();
  }
}

interface LoopFaults extends FollowOptions {
  readonly fits?: (hint: Slice, cursor: Cursor) => boolean;
  readonly keepsHints?: boolean;
  readonly clearsLate?: boolean;
  readonly watchesLate?: boolean;
}

/** A loop like `follow`, with what can be wrong in it. */
async function* loop(
  store: EventStore,
  channel: string,
  after: Cursor,
  { signal, limit, pollEvery = 1000, fits, keepsHints = false, clearsLate = false, watchesLate = false }: LoopFaults,
): AsyncGenerator<Slice, void, undefined> {
  const leaving = new AbortController();
  let hasRung = false;
  let hint: Slice | undefined;
  let wake: (() => void) | undefined;
  const ring = (given?: Slice): void => {
    if (wake === undefined) hasRung = true;
    if (wake !== undefined || keepsHints) hint = given;
    wake?.();
    wake = undefined;
  };
  const leave = (): void => {
    leaving.abort();
    ring();
  };
  const wait = (): Promise<void> =>
    new Promise((resolve) => {
      const timer = pollEvery === false ? undefined : setTimeout(ring, pollEvery);
      wake = (): void => {
        clearTimeout(timer);
        resolve();
      };
    });
  signal?.addEventListener("abort", leave);
  const believes = fits ?? ((given, cursor) => given.from === cursor && cursor !== "origin");
  try {
    if (!watchesLate) await store.watch(channel, ring, leaving.signal);
    for (let cursor = after, isFirst = true; !leaving.signal.aborted; isFirst = false) {
      const given = hint !== undefined && believes(hint, cursor) ? hint : undefined;
      hint = undefined;
      if (keepsHints || (given === undefined && !clearsLate)) hasRung = false;
      const slice: Slice = given ?? (await store.read(channel, cursor, { limit }));
      if (clearsLate) hasRung = false;
      if (isFirst && watchesLate) await store.watch(channel, ring, leaving.signal);
      cursor = slice.next;
      if (isFirst || slice.events.length > 0 || slice.gap !== undefined || slice.closed) yield slice;
      if (slice.closed) return;
      if (slice.upToDate && !hasRung) await wait();
    }
  } finally {
    leaving.abort();
    signal?.removeEventListener("abort", leave);
  }
}

function reads(store: EventStore, change: (slice: Slice, after: Cursor) => Slice): EventStore {
  return override(store, {
    read: async (channel, after, options) => change(await store.read(channel, after, options), after),
    watch: (channel, ring, signal) => store.watch(channel, () => ring(), signal),
  });
}

function appends(
  store: EventStore,
  append: (channel: string, events: readonly NewEvent[], options: AppendOptions) => ReturnType<EventStore["append"]>,
): EventStore {
  return override(store, { append: async (channel, events, options = {}) => append(channel, events, options) });
}

/** The slice without its gap. */
function continued(slice: Slice): Slice {
  return without(slice, "gap");
}

function withoutClose(store: EventStore): EventStore {
  return appends(store, (channel, events, options) => store.append(channel, events, without(options, "close")));
}

/** The store with other epochs in its ids: `rename` says which. */
function withEpochs(store: EventStore, rename: (channel: string, epoch: string) => string): EventStore {
  const out = (channel: string, position: string): string => {
    const parts = parseEventId(position);
    return parts === undefined ? position : formatEventId({ ...parts, epoch: rename(channel, parts.epoch) });
  };
  const back = async (channel: string, cursor: string): Promise<string> => {
    const wanted = parseEventId(cursor);
    const [tail = "origin"] = await store.tails([channel]);
    const real = parseEventId(tail);
    if (wanted === undefined || real === undefined || wanted.epoch !== rename(channel, real.epoch)) return cursor;
    return formatEventId({ ...wanted, epoch: real.epoch });
  };
  const renamed = (channel: string, slice: Slice): Slice => ({
    ...slice,
    from: out(channel, slice.from),
    next: out(channel, slice.next),
    events: slice.events.map((event) => ({ ...event, id: out(channel, event.id) })),
  });
  return override(store, {
    append: async (channel, events, { ifTail, ...options } = {}) => {
      const real = ifTail === undefined ? {} : { ifTail: await back(channel, ifTail) };
      const done = await store.append(channel, events, { ...options, ...real });
      return { ...done, tail: out(channel, done.tail) };
    },
    read: async (channel, after, options) =>
      renamed(channel, await store.read(channel, await back(channel, after), options)),
    tails: async (channels) => (await store.tails(channels)).map((tail, i) => out(channels[i] as string, tail)),
    watch: (channel, ring, signal) => store.watch(channel, (hint) => ring(hint && renamed(channel, hint)), signal),
  });
}

function retagged(slice: Slice): Slice {
  const events = slice.events.map((event): StoredEvent => ({
    ...event,
    id: formatEventId({ ...partsOf(event.id), tag: "live" }),
  }));
  return { ...slice, events, next: events.at(-1)?.id ?? slice.next };
}

function noted<Value>(notes: Map<string, unknown>, name: string, value: Value): Value {
  if (!notes.has(name)) notes.set(name, value);
  return notes.get(name) as Value;
}

function partsOf(id: string): { epoch: string; seq: number; tag: string } {
  return parseEventId(id) ?? { epoch: "none", seq: 1, tag: "none" };
}

function seqOf(position: string): number {
  return parseEventId(position)?.seq ?? 0;
}

function macrotask(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
