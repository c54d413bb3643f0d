import assert from "node:assert/strict";
import { formatEventId, parseEventId } from "@sluice/core";
import type { Cursor, EventStore, NewEvent, Position } from "@sluice/core";
import * as fc from "fast-check";
import { failure, sleep } from "./bench.ts";
import type { MakeOptions, MakeStore } from "./bench.ts";
import { without } from "./without.ts";

/** A cursor as a command names it: by what has been appended before. */
type Place =
  | "origin"
  | "start"
  | "tail"
  /** The id of the n-th event that was ever appended, in whatever epoch. */
  | { readonly id: number }
  | { readonly forgedTagOf: number }
  | { readonly beyondTailBy: number }
  | { readonly garbage: string };

/** One step of a test. A counterexample is a list of these. */
type Command =
  | {
      readonly append: readonly NewEvent[];
      readonly by?: { readonly id: string; readonly epoch: number; readonly seq: number };
      readonly ifTail?: Place;
      readonly close?: true;
    }
  | { readonly read: Place; readonly limit: number }
  | { readonly tails: true }
  | { readonly drop: true }
  | { readonly expire: true };

interface Step {
  readonly on: "a" | "b";
  readonly command: Command;
}

/** Options of {@link checkModel}. */
export interface ModelOptions {
  readonly make: MakeStore;
  /** How many lists of commands to try. Default 100. */
  readonly runs?: number | undefined;
}

const KEPT = 5;
/** In ms: a list of commands that takes longer between two appends proves nothing. */
const MAX_IDLE = 150;

/**
 * Runs random commands on two nodes of a store, and on an array that knows the contract; what they answer must be the
 * same. On a difference, the shortest list of commands that still shows it is in the error.
 */
export async function checkModel({ make, runs = 100 }: ModelOptions): Promise<void> {
  const each = Math.ceil(runs / 2);
  await check(make, {}, steps, each);
  await check(make, { retention: { maxEvents: KEPT } }, steps, each);
  // To expire takes its time.
  await check(make, { maxIdle: MAX_IDLE }, expiring, Math.ceil(runs / 20));
}

async function check(
  make: MakeStore,
  limits: Omit<MakeOptions, "world">,
  lists: fc.Arbitrary<readonly Step[]>,
  numRuns: number,
): Promise<void> {
  const options = { ...limits, world: `m${Math.floor(Math.random() * 2 ** 40).toString(36)}` };
  const nodes = { a: await make(options), b: await make(options) };
  let channels = 0;
  const property = fc.asyncProperty(lists, async (list) => {
    const model = new Model(nodes, `c${channels++}`, limits);
    for (const step of list) {
      try {
        await model.take(step);
      } catch (error) {
        if (!model.isTooLate) throw error;
      }
      if (model.isTooLate) return;
    }
  });
  try {
    await fc.assert(property, { numRuns });
  } finally {
    await Promise.all([nodes.a.close(), nodes.b.close()]);
  }
}

const index = fc.nat({ max: 40 });
const place: fc.Arbitrary<Place> = fc.oneof(
  { withCrossShrink: true },
  fc.constantFrom<Place>("origin", "start", "tail"),
  fc.record({ id: index }),
  fc.record({ forgedTagOf: index }),
  fc.record({ beyondTailBy: fc.integer({ min: 1, max: 1000 }) }),
  fc.record({ garbage: fc.oneof(fc.string(), fc.stringMatching(/^[a-z0-9]{1,8}\.[a-z][0-9]{1,9}[a-z]{0,4}$/)) }),
);
const newEvent: fc.Arbitrary<NewEvent> = fc.record(
  { data: fc.string({ maxLength: 5 }), event: fc.constantFrom("x", "y"), key: fc.constantFrom("k", "l") },
  { requiredKeys: ["data"] },
);
const append: fc.Arbitrary<Command> = fc.record(
  {
    append: fc.array(newEvent, { maxLength: 4 }),
    by: fc.record({ id: fc.constantFrom("p", "q"), epoch: fc.nat({ max: 1 }), seq: fc.nat({ max: 3 }) }),
    ifTail: fc.oneof({ weight: 3, arbitrary: fc.constant<Place>("tail") }, { weight: 2, arbitrary: place }),
  },
  { requiredKeys: ["append"] },
);
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 8, arbitrary: append },
  { weight: 8, arbitrary: fc.record({ read: place, limit: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 2, arbitrary: fc.constant<Command>({ tails: true }) },
  { weight: 1, arbitrary: fc.constant<Command>({ drop: true }) },
  { weight: 1, arbitrary: fc.record({ append: fc.array(newEvent, { maxLength: 2 }), close: fc.constant<true>(true) }) },
);
const onEither = (arbitrary: fc.Arbitrary<Command>): fc.Arbitrary<Step> =>
  fc.record({ on: fc.constantFrom<"a" | "b">("a", "b"), command: arbitrary });
const steps: fc.Arbitrary<readonly Step[]> = fc.array(onEither(command), { maxLength: 40 });
const closing: fc.Arbitrary<Command> = fc.constantFrom<Command>({ append: [], close: true }, { tails: true });
const expiring: fc.Arbitrary<readonly Step[]> = fc
  .tuple(
    fc.array(onEither(command), { maxLength: 6 }),
    onEither(closing),
    onEither(fc.constant<Command>({ expire: true })),
    fc.array(onEither(command), { maxLength: 10 }),
  )
  .map((parts) => parts.flat());

interface ModelEvent {
  readonly id: string;
  readonly event: NewEvent;
}

/** The contract over an array, and the store beside it. */
class Model {
  readonly #nodes: Readonly<Record<"a" | "b", EventStore>>;
  readonly #channel: string;
  readonly #maxEvents: number | undefined;
  /** The log of this epoch, the removed events too. */
  #log: ModelEvent[] = [];
  /** How many of them are removed: the store says it, within its limits. */
  #removed = 0;
  #closed = false;
  #producers = new Map<string, { readonly epoch: number; readonly seq: number }>();
  /** It was closed, and has expired since: a store may have forgotten its producers. */
  #hasEnded = false;
  /** Every id there ever was. */
  readonly #ids: string[] = [];
  readonly #maxIdle: number;
  /** When the channel may expire unasked. */
  #expiresAt = Infinity;

  constructor(nodes: Readonly<Record<"a" | "b", EventStore>>, channel: string, limits: Omit<MakeOptions, "world">) {
    this.#nodes = nodes;
    this.#channel = channel;
    this.#maxEvents = limits.retention?.maxEvents;
    this.#maxIdle = limits.maxIdle ?? Infinity;
  }

  /** The channel may have expired unasked, on a machine that is slow. */
  get isTooLate(): boolean {
    return performance.now() >= this.#expiresAt;
  }

  async take({ on, command: given }: Step): Promise<void> {
    const node = this.#nodes[on];
    if ("read" in given) await this.#read(node, given.read, given.limit);
    else if ("append" in given) await this.#append(node, given);
    else if ("tails" in given) assert.deepEqual(await node.tails([this.#channel, "never"]), [this.#tail, "origin"]);
    else if ("drop" in given) await this.#drop(node);
    else await this.#expire(node);
  }

  get #tail(): Position {
    return this.#log.at(-1)?.id ?? "origin";
  }

  async #append(node: EventStore, given: Extract<Command, { append: unknown }>): Promise<void> {
    const { append: events, close } = given;
    const producer = this.#hasEnded ? undefined : given.by;
    const ifTail = given.ifTail && this.#cursor(given.ifTail);
    const options = { producer, ifTail, close };
    const startedAt = performance.now();
    const call = node.append(this.#channel, events, options);
    const expected = this.#verdict(events, options);
    if (expected !== "appended" && expected !== "duplicate" && expected !== "nothing") {
      assert.equal(await failure(call), expected);
      return;
    }
    const { tail, duplicate } = await call;
    assert.equal(duplicate, expected === "duplicate");
    if (expected === "duplicate") return;
    if (expected === "appended") {
      this.#expiresAt = startedAt + this.#maxIdle;
      const before = this.#tail;
      const ids = await this.#idsBehind(before, events);
      this.#log.push(...events.map((item, i) => ({ id: ids[i] as string, event: item })));
      this.#ids.push(...ids);
      this.#closed = close === true;
      if (producer !== undefined) this.#producers.set(producer.id, producer);
    }
    assert.equal(tail, this.#tail);
  }

  #verdict(
    events: readonly NewEvent[],
    {
      producer,
      ifTail,
      close,
    }: { producer: Extract<Command, { append: unknown }>["by"]; ifTail: string | undefined; close: true | undefined },
  ): "appended" | "nothing" | "duplicate" | "fenced" | "sequence" | "closed" | "conflict" {
    if (producer !== undefined) {
      const last = this.#producers.get(producer.id);
      if (last !== undefined && producer.epoch < last.epoch) return "fenced";
      const next = last?.epoch === producer.epoch ? last.seq + 1 : 0;
      if (producer.seq < next) return "duplicate";
      if (producer.seq > next && !this.#closed) return "sequence";
    }
    if (this.#closed) return events.length === 0 ? "nothing" : "closed";
    if (ifTail !== undefined && ifTail !== this.#tail) return "conflict";
    return events.length === 0 && close === undefined ? "nothing" : "appended";
  }

  /** The ids that the store has minted: all of one append share what they must, and the newest can be read. */
  async #idsBehind(before: Position, events: readonly NewEvent[]): Promise<string[]> {
    if (events.length === 0) return [];
    const [tail = "origin"] = await this.#nodes.a.tails([this.#channel]);
    const parts = parseEventId(tail);
    assert.ok(parts !== undefined, `after an append the tail is ${tail}`);
    assert.equal(parts.seq, this.#log.length + events.length, "numbers are not contiguous");
    const { epoch } = parseEventId(before) ?? parts;
    assert.equal(parts.epoch, epoch, "the epoch has changed without a drop");
    const read = await this.#nodes.b.read(this.#channel, before === "origin" ? "start" : before, { limit: 100 });
    const newest = read.events.slice(-events.length).map(({ id }) => id);
    // Of a batch over the limit, the oldest are gone by now; their ids differ from the tail's in their number.
    const gone = events.length - newest.length;
    return [
      ...events.slice(0, gone).map((_, i) => formatEventId({ ...parts, seq: this.#log.length + 1 + i })),
      ...newest,
    ];
  }

  async #drop(node: EventStore): Promise<void> {
    await node.drop(this.#channel);
    this.#forget();
  }

  #forget(): void {
    this.#log = [];
    this.#removed = 0;
    this.#closed = false;
    this.#hasEnded = false;
    this.#producers = new Map();
  }

  /** Of a closed channel its end stays, of any other nothing. */
  async #expire(node: EventStore): Promise<void> {
    this.#expiresAt = Infinity;
    const startedAt = performance.now();
    for (let isThere = this.#log.length > this.#removed; isThere;) {
      assert.ok(performance.now() - startedAt < 10_000, "an idle channel does not expire");
      await sleep(MAX_IDLE);
      isThere = (await node.read(this.#channel, "start")).events.length > 0;
    }
    if (this.#closed) {
      this.#removed = this.#log.length;
      this.#hasEnded = true;
    } else {
      this.#forget();
    }
  }

  async #read(node: EventStore, where: Place, limit: number): Promise<void> {
    const cursor = this.#cursor(where);
    await this.#lookWhatIsRemoved(node);
    const slice = await node.read(this.#channel, cursor, { limit });
    const { index: from, gap } = this.#resolve(cursor);
    const expected = this.#log.slice(from, from + limit);
    const end = from + expected.length;
    const upToDate = end === this.#log.length;
    assert.deepEqual(
      { ...slice, events: slice.events.map((event) => without(event, "at")) },
      {
        from: this.#log[from - 1]?.id ?? "origin",
        events: expected.map(({ id, event: item }) => ({ ...item, id })),
        next: this.#log[end - 1]?.id ?? "origin",
        ...(gap !== undefined && { gap }),
        upToDate,
        closed: upToDate && this.#closed,
      },
    );
  }

  /** Retention may be lazy, but it removes the oldest first, none that is within its limit, and never takes one back. */
  async #lookWhatIsRemoved(node: EventStore): Promise<void> {
    const { from } = await node.read(this.#channel, "start", { limit: 1 });
    const removed = from === "origin" ? 0 : 1 + this.#log.findIndex(({ id }) => id === from);
    const kept = this.#hasEnded ? 0 : (this.#maxEvents ?? Infinity);
    const most = Math.max(0, this.#log.length - kept);
    assert.ok(removed >= this.#removed && removed <= most, `of ${this.#log.length} events ${removed} are removed`);
    this.#removed = removed;
  }

  /** What a cursor means, said in another way than `resolveCursor` says it. */
  #resolve(cursor: Cursor): { readonly index: number; readonly gap?: "truncated" | "reset" | "unknown" } {
    if (cursor === "start") return { index: this.#removed };
    if (cursor === "tail") return { index: this.#log.length };
    const found = cursor === "origin" ? 0 : 1 + this.#log.findIndex(({ id }) => id === cursor);
    if (cursor !== "origin" && found === 0) {
      const parts = parseEventId(cursor);
      if (parts === undefined) return { index: this.#removed, gap: "unknown" };
      const isOfThisLog = this.#log[0] !== undefined && parts.epoch === parseEventId(this.#log[0].id)?.epoch;
      // The tags of what is removed are forgotten, but for the last.
      const isBefore = isOfThisLog && parts.seq < this.#removed;
      return { index: this.#removed, gap: isBefore ? "truncated" : "reset" };
    }
    return found < this.#removed ? { index: this.#removed, gap: "truncated" } : { index: found };
  }

  #cursor(where: Place): Cursor {
    if (typeof where === "string") return where === "tail" ? this.#tail : where;
    if ("garbage" in where) return where.garbage;
    if ("beyondTailBy" in where) {
      const parts = parseEventId(this.#tail) ?? { epoch: "none", seq: 0, tag: "none" };
      return formatEventId({ ...parts, seq: parts.seq + where.beyondTailBy });
    }
    const id = this.#ids[("id" in where ? where.id : where.forgedTagOf) % this.#ids.length];
    if (id === undefined) return "origin";
    return "id" in where ? id : id.slice(0, -4) + (id.endsWith("zzzz") ? "yyyy" : "zzzz");
  }
}
