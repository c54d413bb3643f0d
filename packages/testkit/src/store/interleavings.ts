import assert from "node:assert/strict";
import type { Cursor, EventStore, Slice } from "@sluice/core";
import { follow as referenceFollow } from "./follow.ts";
import type { Follow } from "./follow.ts";
import { checkAgreement, epochOf, History, seqOf } from "./history.ts";
import { pick, randomFrom } from "./random.ts";
import { inTurns, Turns } from "./turns.ts";

/** Options of {@link exploreInterleavings}. */
export interface InterleavingOptions {
  /**
   * Makes an empty store that keeps so many events of a channel. Its calls MUST wait for nothing but promises: a store in
   * memory. What goes through the network is not the scheduler's to order.
   */
  readonly make: (options: { readonly retention: { readonly maxEvents: number } }) => EventStore;
  /** How many interleavings to try, all of them different. */
  readonly count: number;
  /** Of the first; each next one is one more. A failure names its own. Default 1. */
  readonly seed?: number | undefined;
  /** The read loop to try. Default `follow`. */
  readonly follow?: Follow | undefined;
}

/** What {@link exploreInterleavings} did. */
export interface Explored {
  readonly runs: number;
  readonly distinct: number;
}

/**
 * Tries the hand-over in many orders: joiners, writers, a retention that removes what they write, and at times a drop, over
 * one channel. Each call of the store and each ring waits for its turn, before it takes effect and again before it is
 * answered, and a seeded choice says whose turn it is. No reader polls: one that waits for a bell that never comes is
 * found, as is every reader whose history is not exact, nor says so with a gap.
 *
 * @throws {Error} with the seed and the turns of an interleaving that went wrong
 */
export async function exploreInterleavings(options: InterleavingOptions): Promise<Explored> {
  const { count, seed = 1 } = options;
  const seen = new Set<number>();
  let runs = 0;
  for (; seen.size < count && runs < 2 * count; runs++) seen.add(await interleave(options, seed + runs));
  return { runs, distinct: seen.size };
}

/** @returns a hash of the turns */
async function interleave({ make, follow = referenceFollow }: InterleavingOptions, seed: number): Promise<number> {
  const random = randomFrom(seed);
  // Orders in which one kind of call is late every time are rare where every turn is as likely as another.
  const turns = new Turns(random, pick(random, ["j1", "w1", "bell", "answered", "nobody"]));
  const maxEvents = pick(random, [2, 3, 1000]);
  const drops = random() < 0.4;
  const isNew = random() < 0.4;
  const appends = pick(random, [1, 3]);
  const inner = make({ retention: { maxEvents } });
  const truth = new Map<string, string>();
  if (!isNew) await inner.append("c", [{ data: "first" }, { data: "second" }]);
  const { events: first } = await inner.read("c", "origin");
  for (const { id, data } of first) truth.set(`${epochOf(id)}.${seqOf(id)}`, data);

  const nodeOf = (actor: string): EventStore => inTurns(inner, turns, actor);
  const write = async (actor: string): Promise<void> => {
    const node = nodeOf(actor);
    for (let i = 0; i < appends; i++) {
      const events = [{ data: `${actor}.${i}` }, { data: `${actor}.${i}+` }].slice(0, 1 + (i % 2));
      const { tail } = await node.append("c", events);
      for (const [j, { data }] of events.entries()) {
        truth.set(`${epochOf(tail)}.${seqOf(tail) - events.length + 1 + j}`, data);
      }
    }
  };
  const join = async (actor: string, after: Cursor): Promise<History> => {
    const history = new History(after);
    const limit = pick(random, [1, 2, undefined]);
    for await (const slice of follow(nodeOf(actor), "c", after, { limit, pollEvery: false })) history.add(slice);
    return history;
  };
  const writing = [write("w1"), write("w2")];
  if (drops) writing.push(nodeOf("d").drop("c"));
  const closing = Promise.all(writing).then(() => nodeOf("w1").append("c", [], { close: true }));
  const cursors: Cursor[] = ["origin", "tail", pick(random, ["start", ...first.map(({ id }) => id)])];
  const joining = cursors.map((after, i) => join(`j${i + 1}`, after));
  try {
    const [{ tail }, ...histories] = await turns.run(Promise.all([closing, ...joining]));
    checkAgreement(histories);
    for (const { slices, gaps, events } of histories) {
      assert.deepEqual([slices.at(-1)?.closed, slices.at(-1)?.next], [true, tail], "a reader has not come to the end");
      for (const { id, data } of events) {
        assert.equal(data, truth.get(`${epochOf(id)}.${seqOf(id)}`), `${id} is not what was appended under it`);
      }
      const possible = [...(maxEvents < 1000 ? ["truncated"] : []), ...(drops ? ["reset"] : [])];
      assert.ok(
        gaps.every((gap) => possible.includes(gap)),
        `a gap for no reason: ${gaps.join(", ")}`,
      );
      checkOnce(slices);
    }
  } catch (error) {
    const what = `Interleaving ${seed} goes wrong: ${error instanceof Error ? error.message : String(error)}`;
    throw new Error(`${what}\nmaxEvents ${maxEvents}; turns: ${turns.taken.join(", ")}`, { cause: error });
  } finally {
    await inner.close();
  }
  return turns.hash;
}

/** No event twice, not even across a gap. */
function checkOnce(slices: readonly Slice[]): void {
  const ids = slices.flatMap(({ events }) => events.map(({ id }) => id));
  assert.equal(new Set(ids).size, ids.length, `a reader got an event twice: ${ids.join(", ")}`);
}
