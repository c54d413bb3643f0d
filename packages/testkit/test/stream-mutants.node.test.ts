import { memoryStore } from "@sluice/core";
import { describe, expect, test } from "vitest";
import { Feed } from "../../core/src/feed.ts";
import { Flow } from "../../core/src/flow.ts";
import { GroupReader } from "../../core/src/group-reader.ts";
import { Lens } from "../../core/src/lens.ts";
import { Reader } from "../../core/src/reader.ts";
import { Replays } from "../../core/src/replays.ts";
import { liveSegment, SegmentBatch } from "../../core/src/segment.ts";
import type { Batch } from "../../core/src/segment.ts";
import { exploreStreams } from "../src/index.ts";

/** Puts another in the place of a method or a getter, made from the original, and answers what puts it back. */
function replace<Owner extends object>(
  owner: Owner,
  name: keyof Owner & string,
  kind: "get" | "value",
  make: (original: (this: Owner, ...given: never[]) => unknown) => (this: Owner, ...given: never[]) => unknown,
): () => void {
  const descriptor = Object.getOwnPropertyDescriptor(owner, name) as PropertyDescriptor;
  Object.defineProperty(owner, name, { ...descriptor, [kind]: make(descriptor[kind]) });
  return () => void Object.defineProperty(owner, name, descriptor);
}

const isGap = ({ item }: Batch["segments"][number]): boolean => item.type === "gap";

/** Core, with one fault each. */
const mutants: Readonly<Record<string, () => () => void>> = {
  "hidden events do not move the cursor": () =>
    replace(
      Lens.prototype,
      "look",
      "value",
      (look) =>
        function (...given) {
          const seen = look.apply(this, given) as ReturnType<Lens["look"]>;
          return { ...seen, consumed: Math.max(1, seen.segments.length) };
        },
    ),

  "what did not fit is taken as hidden": () =>
    replace(
      Lens.prototype,
      "look",
      "value",
      (look) =>
        function (...given) {
          const seen = look.apply(this, given) as ReturnType<Lens["look"]>;
          const [waiting] = given as unknown as Parameters<Lens["look"]>;
          const mayLose = waiting.at(-1)?.item.type !== "end";
          return { ...seen, consumed: mayLose ? waiting.length : seen.consumed };
        },
    ),

  "of events with one key the oldest is sent": () =>
    replace(
      Lens.prototype,
      "look",
      "value",
      (look) =>
        function (...given) {
          const [waiting] = given as unknown as Parameters<Lens["look"]>;
          const keys = new Set<string>();
          const firsts = waiting.filter(({ item }) => {
            if (item.type !== "event" || item.key === undefined) return true;
            return !keys.has(item.key) && keys.add(item.key);
          });
          const seen = look.apply(this, [firsts, Infinity, () => []] as unknown as never[]) as ReturnType<Lens["look"]>;
          return { ...seen, consumed: waiting.length };
        },
    ),

  "an event whose filter fails is hidden": () =>
    replace(
      Lens.prototype,
      "look",
      "value",
      (look) =>
        function (...given) {
          const seen = look.apply(this, given) as ReturnType<Lens["look"]>;
          return { ...seen, segments: seen.segments.filter((segment) => !isGap(segment)) };
        },
    ),

  "to skip is not told": () =>
    replace(
      Reader.prototype,
      "take",
      "value",
      (take) =>
        function (...given) {
          const batch = take.apply(this, given) as Batch | undefined;
          const [item] = batch?.segments.map((segment) => segment.item) ?? [];
          return item?.type === "gap" && item.reason === "skipped" ? take.apply(this, given) : batch;
        },
    ),

  "a gap of the store is not told": () =>
    replace(
      Replays.prototype,
      "read",
      "value",
      (read) =>
        async function (...given) {
          const { batch, next } = await (read.apply(this, given) as ReturnType<Replays["read"]>);
          return {
            batch: new SegmentBatch(
              batch.segments.filter((segment) => !isGap(segment)),
              batch.from,
              true,
            ),
            next,
          };
        },
    ),

  "the cursor of several has a stale member": () =>
    replace(GroupReader.prototype, "position", "get", (get) => {
      const firsts = new WeakMap<GroupReader, string>();
      return function () {
        const position = get.apply(this) as string;
        const [first = ""] = position.split(",");
        if (!first.endsWith(":origin") && !firsts.has(this)) firsts.set(this, first);
        return position.replace(first, firsts.get(this) ?? first);
      };
    }),

  "a run is joined one event too late": () =>
    replace(
      Feed.prototype,
      "placeOf",
      "value",
      (placeOf) =>
        function (...given) {
          const place = placeOf.apply(this, given) as number | undefined;
          return place === undefined ? undefined : Math.min(place + 1, this.nextPlace);
        },
    ),

  "what has left the run is passed over": () =>
    replace(
      Feed.prototype,
      "take",
      "value",
      (take) =>
        function (...given) {
          return take.apply(this, given) ?? take.apply(this, [this.nextPlace - 1, given[1]] as unknown as never[]);
        },
    ),

  "a silent client is told of another place than its own": () =>
    replace(
      Flow.prototype as Flow<unknown>,
      "start",
      "value",
      (start) =>
        function () {
          start.apply(this);
          Object.defineProperty(this, "cursorUpdate", { value: () => liveSegment("origin").bytes });
        },
    ),
};

describe("a fault in core goes wrong in some interleaving", () => {
  test.each(Object.entries(mutants))("%s", { timeout: 120_000 }, async (_, mutate) => {
    const restore = mutate();
    try {
      await expect(exploreStreams({ make: memoryStore, count: 20_000 })).rejects.toThrow(
        /^Interleaving \d+ goes wrong/,
      );
    } finally {
      restore();
    }
  });
});
