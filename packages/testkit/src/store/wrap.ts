import type { EventStore, Position, Slice } from "@sluice/core";
import { SluiceError } from "@sluice/core";
import { pick } from "./random.ts";
import type { Random } from "./random.ts";

/** The store with some of its methods replaced. */
export function override(store: EventStore, methods: Partial<EventStore>): EventStore {
  return {
    durability: store.durability,
    append: (channel, events, options) => store.append(channel, events, options),
    read: (channel, after, options) => store.read(channel, after, options),
    tails: (channels): Promise<readonly Position[]> => store.tails(channels),
    watch: (channel, ring, signal) => store.watch(channel, ring, signal),
    drop: (channel) => store.drop(channel),
    close: () => store.close(),
    ...methods,
  };
}

/** How a doorbell can fail its readers, and no harm may come of it. */
export type BellFault = "silent" | "doubled" | "late" | "spurious" | "without hints";

export const bellFaults: readonly BellFault[] = ["silent", "doubled", "late", "spurious", "without hints"];

/**
 * Wraps a store so that its doorbell fails, over whatever store: it never rings, rings twice, rings late and with the
 * hints of before, rings for nothing, or gives no hints.
 *
 * @example
 * ```ts
 * import { memoryStore } from "@sluice/core";
 * import { withBellFault } from "@sluice/testkit";
 *
 * const store = withBellFault(memoryStore(), "silent");
 * const watching = new AbortController();
 * await store.watch("news", () => console.assert(false), watching.signal);
 * await store.append("news", [{ data: "nobody is told" }]);
 * watching.abort();
 * await store.close();
 * ```
 */
export function withBellFault(store: EventStore, fault: BellFault): EventStore {
  return override(store, {
    watch: async (channel, ring, signal) => {
      // What is late can still be on its way when the reader has left.
      const later = (ms: number, hint?: Slice): void => {
        setTimeout(() => {
          if (!signal.aborted) ring(hint);
        }, ms).unref();
      };
      const bells: Record<BellFault, (hint?: Slice) => void> = {
        silent: () => {},
        doubled: (hint) => {
          ring(hint);
          ring(hint);
        },
        late: (hint) => later(Math.random() * 30, hint),
        spurious: (hint) => {
          ring(hint);
          for (const ms of [1, 5, 20]) later(ms);
        },
        "without hints": () => ring(),
      };
      if (fault === "spurious") later(0);
      await store.watch(channel, bells[fault], signal);
    },
  });
}

/**
 * Wraps a store so that one call in three fails with `unavailable`, as over a network that breaks: reads and `tails` before
 * anything was done, appends before or after they took effect, which their writer cannot tell.
 */
export function unreliable(store: EventStore, random: Random): EventStore {
  const fails = (): boolean => random() < 1 / 3;
  const broken = (): SluiceError => new SluiceError("unavailable", "Cannot reach the store: the test has cut the line");
  return override(store, {
    append: async (channel, events, options) => {
      if (!fails()) return store.append(channel, events, options);
      if (pick(random, ["before", "after"]) === "after") await store.append(channel, events, options);
      throw broken();
    },
    read: async (channel, after, options) => {
      if (fails()) throw broken();
      return store.read(channel, after, options);
    },
    tails: async (channels) => {
      if (fails()) throw broken();
      return store.tails(channels);
    },
  });
}
