import assert from "node:assert/strict";
import { createDecoder, createHub, eventStream } from "@sluice/core";
import type { DecodedEvent, EventStore, EventStreamOptions, FetchNative, Hub, NewEvent, Source } from "@sluice/core";
import type { Explored } from "./interleavings.ts";
import { LogOfChannel } from "./log-of-channel.ts";
import { pick, randomFrom } from "./random.ts";
import type { Random } from "./random.ts";
import { StreamHistory } from "./stream-history.ts";
import type { Sight } from "./stream-history.ts";
import { inTurns, Turns } from "./turns.ts";
import { override } from "./wrap.ts";

/** Options of {@link exploreStreams}. */
export interface StreamInterleavingOptions {
  /** As in `exploreInterleavings`: an empty store whose calls wait for nothing but promises. */
  readonly make: (options: { readonly retention: { readonly maxEvents: number } }) => EventStore;
  /** How many interleavings to try, all of them different. */
  readonly count: number;
  /** Of the first; each next one is one more. A failure names its own. Default 1. */
  readonly seed?: number | undefined;
}

/**
 * Tries `eventStream` over a hub in many orders: clients that come, read slowly or stall, drop in the middle of an event,
 * and come back with the last id they have seen, at times to other channels; while writers append, retention removes and
 * a channel is dropped. Filter, map, coalescing, policy and limits are different each time. All are closed in the end, and
 * each client comes back until it is told so: what it was sent has to be, exactly, what the logs hold for it.
 *
 * @throws {Error} with the seed, the options and the turns of an interleaving that went wrong
 */
export async function exploreStreams({ make, count, seed = 1 }: StreamInterleavingOptions): Promise<Explored> {
  const seen = new Set<number>();
  let runs = 0;
  for (; seen.size < count && runs < 2 * count; runs++) seen.add(await interleave(make, seed + runs));
  return { runs, distinct: seen.size };
}

const CHANNELS = ["a", "b", "c"];

/** @returns a hash of the turns */
async function interleave(make: StreamInterleavingOptions["make"], seed: number): Promise<number> {
  const random = randomFrom(seed);
  const turns = new Turns(random, pick(random, ["c1", "c2", "w1", "bell", "answered", "hub read", "nobody"]));
  const scene = chooseScene(random);
  const logs = new Map(CHANNELS.map((name) => [name, new LogOfChannel()]));
  const store = logged(make({ retention: { maxEvents: scene.maxEvents } }), logs);
  const hub = createHub({ ...scene.hub, store: inTurns(store, turns, "hub"), linger: 0, onError: () => {} });
  try {
    for (const channel of scene.groups.flat()) {
      if (random() < 0.6) await store.append(channel, newEvents(random, channel, pick(random, [1, 3])));
    }
    const write = async (actor: string, appends: number): Promise<void> => {
      const node = inTurns(store, turns, actor);
      for (let i = 0; i < appends; i++) {
        const channel = pick(random, scene.groups.flat());
        await node.append(channel, newEvents(random, channel, pick(random, [1, 1, 2, 4])));
      }
    };
    const writing = [write("w1", pick(random, [1, 2])), write("w2", 2)];
    if (scene.drops) writing.push(inTurns(store, turns, "d").drop("a"));
    const closing = Promise.all(writing).then(async () => {
      const node = inTurns(store, turns, "w1");
      for (const channel of CHANNELS) await node.append(channel, [], { close: true });
      if (!scene.reopens) return;
      await node.drop("a");
      await node.append("a", newEvents(random, "a", 2), { close: true });
    });
    const clients = ["c1", "c2"].map((actor) => new Client(actor, random, turns, hub, scene, logs));
    await turns.run(Promise.all([closing, ...clients.map((client) => client.attend(closing))]));
  } catch (error) {
    const what = `Interleaving ${seed} goes wrong: ${error instanceof Error ? error.message : String(error)}`;
    throw new Error(`${what}\n${JSON.stringify(scene)}\nturns: ${turns.taken.join(", ")}`, { cause: error });
  } finally {
    await hub.close();
    await store.close();
  }
  return turns.hash;
}

/** What is different each time, besides the order. */
interface Scene {
  readonly maxEvents: number;
  readonly drops: boolean;
  /** A channel that was closed is dropped, and begins anew. */
  readonly reopens: boolean;
  /** Each client comes once with a cursor that is none. */
  readonly garbles: boolean;
  /** The channels that a client may find when it comes: mostly the same each time. */
  readonly groups: readonly (readonly string[])[];
  readonly hub: { readonly runBytes: number; readonly maxReplayBytes?: number };
  readonly stream: EventStreamOptions<FetchNative>;
  readonly filters: boolean;
  readonly maps: boolean;
}

function chooseScene(random: Random): Scene {
  const maxReplayBytes = pick(random, [undefined, undefined, undefined, 1, 200]);
  return {
    maxEvents: pick(random, [2, 4, 1000, 1000]),
    drops: random() < 0.3,
    reopens: random() < 0.2,
    garbles: random() < 0.2,
    groups: pick(random, [
      [["a"]],
      [["a", "b"]],
      [
        ["a", "b"],
        ["b", "a", "c"],
      ],
      [["a", "b"], ["b"]],
    ]),
    hub: { runBytes: pick(random, [1, 900, 1_000_000]), ...(maxReplayBytes !== undefined && { maxReplayBytes }) },
    stream: {
      start: pick(random, ["origin", "origin", "tail", "start", { last: 2 }]),
      coalesce: random() < 0.4,
      whenBehind: pick(random, ["catch-up", "skip", "disconnect"]),
      maxLag: pick(random, [1, 3]),
      maxWriteBytes: pick(random, [40, 150, 65_536]),
    },
    filters: random() < 0.6,
    maps: random() < 0.4,
  };
}

/** Marks in the data of an event say what becomes of it: `-` is hidden, at `?` the filter fails, and at `#` the map. */
function newEvents(random: Random, channel: string, count: number): NewEvent[] {
  return Array.from({ length: count }, () => {
    const key = pick(random, [undefined, "k", "l"]);
    const mark = pick(random, ["+", "+", "+", "-", "-", random() < 0.5 ? "?" : "#"]);
    const data = `${channel}${mark}${Math.floor(random() * 1e6)}`;
    return key === undefined ? { data } : { data, key };
  });
}

// One for all: to make an error takes long.
const FAILED = new Error("The filter, or the map, fails");

function passes(data: string): boolean {
  if (data[1] === "?") throw FAILED;
  return data[1] !== "-";
}

function maps(data: string): string {
  if (data[1] === "#") throw FAILED;
  return `<${data}>`;
}

function sightOf({ filters, maps: isMapped, stream, maxEvents, drops, reopens, garbles }: Scene): Sight {
  const skips = stream.whenBehind === "skip";
  const fails = filters || isMapped;
  return {
    passes: (data) => !filters || attempt(() => passes(data)),
    maps: (data) => (isMapped ? attempt(() => maps(data)) : data),
    coalesce: stream.coalesce === true,
    skips,
    gaps: [
      ...(maxEvents < 1000 ? ["truncated"] : []),
      ...(drops || reopens ? ["reset"] : []),
      ...(garbles ? ["unknown"] : []),
      ...(skips || fails ? ["skipped"] : []),
    ],
  };
}

function attempt<Result>(run: () => Result): Result | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}

/** Somebody who comes back until there is nothing to come back for. */
class Client {
  readonly #actor: string;
  readonly #random: Random;
  readonly #turns: Turns;
  readonly #scene: Scene;
  readonly #history: StreamHistory;
  #lastEventId = "";
  #hasEnded = false;
  /** How often it will still leave by itself. */
  #drops: number;
  /** Whether it will still come with a cursor that is none. */
  #garbles: boolean;
  readonly #handlers: ReadonlyMap<readonly string[], (request: Request) => Promise<Response>>;

  constructor(
    actor: string,
    random: Random,
    turns: Turns,
    hub: Hub,
    scene: Scene,
    logs: ReadonlyMap<string, LogOfChannel>,
  ) {
    this.#actor = actor;
    this.#random = random;
    this.#turns = turns;
    this.#scene = scene;
    this.#garbles = scene.garbles;
    this.#history = new StreamHistory(logs, sightOf(scene));
    this.#drops = pick(random, [0, 1, 3]);
    const options: EventStreamOptions<FetchNative> = {
      ...scene.stream,
      ...(scene.filters && { filter: ({ data }) => passes(data) }),
      ...(scene.maps && { map: ({ data }) => ({ data: maps(data) }) }),
      keepAlive: false,
      openTimeout: false,
      writeDeadline: false,
      onError: () => {},
    };
    const { groups } = scene;
    // One cursor is read as one channel's; the cursor of a group stays one where the group shrinks to one.
    const sourceOf = (names: readonly string[]): Source<FetchNative> =>
      groups.every(({ length }) => length === 1) ? hub.channel(names[0] as string) : hub.channels(names);
    this.#handlers = new Map(groups.map((names) => [names, eventStream(sourceOf(names), options)]));
  }

  /** @param closing until when it may stall */
  async attend(closing: Promise<unknown>): Promise<void> {
    for (let visits = 0; !this.#hasEnded; visits++) {
      assert.ok(visits < 100, `${this.#actor} does not come to an end`);
      await this.#turns.next(`${this.#actor} comes`);
      await this.#visit(closing);
    }
    const { status } = await this.#request(this.#scene.groups[0] as readonly string[]);
    assert.equal(status, 204, "a client that has seen the end is not told to stay away");
  }

  async #visit(closing: Promise<unknown>): Promise<void> {
    const names = pick(this.#random, this.#scene.groups);
    const { start } = this.#scene.stream;
    const isLost = this.#garbles && this.#random() < 0.3;
    if (isLost) {
      this.#garbles = false;
      this.#lastEventId = "garbage";
      this.#history.lose();
    }
    this.#history.visit(names, start === "origin" && !isLost ? start : undefined);
    const { body, status } = await this.#request(names);
    assert.equal(status, 200);
    const reader = (body as ReadableStream<Uint8Array>).getReader();
    const decoder = createDecoder({ onEvent: (event) => this.#take(event), maxIdLength: 4096 });
    const stalls = this.#random() < 0.15;
    for (let chunks = 0; ; chunks++) {
      if (stalls && chunks === 2) await closing;
      await this.#turns.next(`${this.#actor} reads`);
      const { done, value } = await reader.read().catch(() => ({ done: true, value: undefined }));
      if (done || value === undefined) return;
      const leaves = this.#drops > 0 && this.#random() < 0.3;
      decoder.push(leaves ? value.subarray(0, this.#random() * (value.length + 1)) : value);
      if (!leaves) continue;
      this.#drops--;
      return reader.cancel().catch(() => {}); // it was broken off by then
    }
  }

  #take(event: DecodedEvent): void {
    assert.ok(!this.#hasEnded, "something follows the end");
    if (event.event === "sluice.end") {
      this.#hasEnded = true;
      this.#history.end();
    } else this.#history.add(event);
    this.#lastEventId = event.id ?? "";
  }

  async #request(names: readonly string[]): Promise<Response> {
    const request = new Request("http://localhost/", { headers: { "Last-Event-ID": this.#lastEventId } });
    return (this.#handlers.get(names) as (request: Request) => Promise<Response>)(request);
  }
}

/** The store, and what takes effect in it is written down. */
function logged(store: EventStore, logs: ReadonlyMap<string, LogOfChannel>): EventStore {
  return override(store, {
    append: async (channel, events, options) => {
      const appended = await store.append(channel, events, options);
      logs.get(channel)?.append(events, appended.tail, options?.close === true);
      return appended;
    },
    drop: async (channel) => {
      await store.drop(channel);
      logs.get(channel)?.drop();
    },
  });
}
