import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createHub, createResponder, memoryStore } from "../src/index.ts";
import type { EventStore, EventStreamOptions, Hub, HubOptions, Source } from "../src/index.ts";
import { respondThrough, TestSink } from "./test-sink.ts";
import { settled, visit } from "./visit.ts";

// What takes long on a busy machine would be put off, so the clock stands still where a test does not say otherwise.
beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));

const hubs: Hub[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const hub of hubs.splice(0)) await hub.close();
});

function setUp(options: HubOptions = {}): Hub {
  const hub = createHub({ onError: () => {}, ...options });
  hubs.push(hub);
  return hub;
}

async function connect(source: Source, options: EventStreamOptions = {}): Promise<TestSink> {
  const sink = new TestSink();
  respondThrough(sink, source, options);
  await settled();
  return sink;
}

const numbers = (count: number): { data: string }[] => Array.from({ length: count }, (_, i) => ({ data: String(i) }));

describe("what flows to connections", () => {
  test("is one write for all that was published together, and the same bytes for all that are at the same place", async () => {
    const channel = setUp().channel("c");
    const sinks = await Promise.all(Array.from({ length: 5 }, () => connect(channel)));
    const before = sinks.map(({ writes }) => writes.length);
    await Promise.all(numbers(10).map((event) => channel.publish(event)));
    await settled();
    for (const [i, { writes, data }] of sinks.entries()) {
      expect(data).toEqual(numbers(10).map((event) => event.data));
      expect(writes.length).toBe((before[i] as number) + 1);
      expect(writes.at(-1)).toBe(sinks[0]?.writes.at(-1)); // not equal: the same
    }
  });

  test("is at hand at once: what is published alone is not waited with", async () => {
    const channel = setUp().channel("c");
    const sink = await connect(channel);
    for (const event of numbers(5)) {
      const before = sink.writes.length;
      await channel.publish(event);
      await Promise.resolve();
      expect(sink.writes.length).toBe(before + 1);
    }
  });

  test("waits for a full one, and comes in one write when there is room", async () => {
    const channel = setUp().channel("c");
    const sink = await connect(channel);
    sink.hasRoom = false;
    await channel.publish({ data: "fills" });
    await settled();
    const before = sink.writes.length;
    for (const event of numbers(20)) await channel.publish(event);
    await settled();
    expect(sink.writes.length).toBe(before);
    sink.writer.drained();
    expect(sink.writes.length).toBe(before + 1);
    expect(sink.data).toEqual(["fills", ...numbers(20).map(({ data }) => data)]);
  });

  test("is cut at maxWriteBytes, between events; and within one that is larger by itself", async () => {
    const channel = setUp().channel("c");
    const sink = await connect(channel, { maxWriteBytes: 300 });
    sink.hasRoom = false;
    await channel.publish({ data: "fills" });
    await settled();
    const events = [...numbers(30), { data: "x".repeat(1000) }, { data: "last" }];
    await channel.publish(events);
    await settled();
    const before = sink.writes.length;
    while (!sink.data.includes("last")) sink.writer.drained();
    const writes = sink.writes.slice(before);
    expect(Math.max(...writes.map(({ length }) => length))).toBeLessThanOrEqual(300);
    expect(writes.length).toBeGreaterThanOrEqual(7);
    expect(sink.data.slice(1)).toEqual(events.map(({ data }) => data));
  });

  test("comes in order to a platform that has room again before its write returns", async () => {
    const channel = setUp({ runBytes: 1000 }).channel("c");
    await channel.publish(numbers(50));
    const sink = new TestSink();
    sink.onWrite = () => {
      if (sink.writes.length < 500) sink.writer.drained();
    };
    const responder = createResponder(channel, { keepAlive: false, start: "start", maxWriteBytes: 100 });
    const headers = new Headers();
    sink.writer = responder.respond({ method: "GET", url: new URL("http://localhost/"), headers, native: 0 }, sink);
    await settled();
    await channel.publish({ data: "50" });
    await settled();
    expect(sink.data).toEqual(numbers(51).map(({ data }) => data));
    sink.writer.gone();
  });

  test("ends for the one whose platform refuses a write, and for nobody else", async () => {
    const channel = setUp().channel("c");
    const sinks = await Promise.all(Array.from({ length: 3 }, () => connect(channel)));
    const [first, broken, last] = sinks as [TestSink, TestSink, TestSink];
    broken.onWrite = (): void => {
      throw new Error("The platform fails");
    };
    await channel.publish({ data: "1" });
    await settled();
    await channel.publish({ data: "2" });
    await settled();
    expect(broken.writer.reason).toBe("write-failed");
    for (const sink of [first, last]) expect(sink.data).toEqual(["1", "2"]);
  });

  test("lets everything else have a turn, where it takes long", async () => {
    vi.useRealTimers();
    const hub = setUp();
    const channel = hub.channel("c");
    const sinks = await Promise.all(Array.from({ length: 64 }, () => connect(channel)));
    let written = 0;
    let writtenAtTurn = -1;
    for (const sink of sinks) {
      sink.onWrite = (): void => {
        if (written++ === 0) setImmediate(() => (writtenAtTurn = written));
        for (const until = performance.now() + 1; performance.now() < until;);
      };
    }
    await channel.publish({ data: "1" });
    while (written < sinks.length) await settled();
    expect(writtenAtTurn).toBeGreaterThan(0);
    expect(writtenAtTurn).toBeLessThan(sinks.length);
  });

  test("reaches those who come and misses those who leave, while others are being told", async () => {
    const channel = setUp().channel("c");
    const sinks = await Promise.all(Array.from({ length: 40 }, () => connect(channel)));
    const late: Promise<TestSink>[] = [];
    for (const [i, sink] of sinks.entries()) {
      sink.onWrite = (): void => {
        if (i % 3 === 0) sinks[i + 1]?.writer.gone();
        if (i % 10 === 0) late.push(connect(channel));
      };
    }
    await channel.publish(numbers(3));
    await settled();
    for (const sink of sinks) if (sink.writer.reason === undefined) expect(sink.data).toEqual(["0", "1", "2"]);
    expect(late.length).toBeGreaterThan(2);
    for (const sink of await Promise.all(late)) expect(sink.data).toEqual(["0", "1", "2"]);
    expect(sinks.filter(({ writer }) => writer.reason === "disconnected").length).toBeGreaterThan(10);
  });
});

test("a channel that was closed empty and dropped is another: whoever comes is told of its end alone", async () => {
  const store = memoryStore();
  const channel = setUp({ store }).channel("c");
  const options = { start: "origin" };
  await channel.close();
  expect(await (await visit(channel, { options })).rest()).toEqual(["end"]);
  await store.drop("c");
  await settled();
  const early = await visit(channel, { options });
  expect(await early.until("live")).toEqual(["live"]);
  await channel.publish({ data: "1" });
  await channel.close();
  expect(await early.rest()).toEqual(["live", "1", "end"]);
  const late = await visit(channel, { options });
  expect(await late.rest()).toEqual(["1", "end"]);
  await store.close();
});

test("who shares a read that has begun before an event was there reads again at once", async () => {
  const store = memoryStore();
  const gate = (): { wait: Promise<void>; open: () => void } => {
    let open!: () => void;
    return { wait: new Promise((resolve) => (open = resolve)), open: () => open() };
  };
  const [published, answered] = [gate(), gate()];
  const slow: EventStore = {
    durability: "process",
    append: (...given) => store.append(...given),
    read: async (channel, after, options) => {
      if (after === "tail") await published.wait;
      const slice = await store.read(channel, after, options);
      if (after === "origin") await answered.wait;
      return slice;
    },
    tails: (...given) => store.tails(...given),
    watch: (...given) => store.watch(...given),
    drop: (...given) => store.drop(...given),
    close: () => store.close(),
  };
  const channel = setUp({ store: slow }).channel("c");
  const [early, late] = [channel.read("origin"), channel.read("origin")];
  const got: unknown[] = [];
  void early.next().then(({ value }) => got.push(value));
  await settled();
  await channel.publish({ data: "1" });
  published.open();
  await settled();
  void late.next().then(({ value }) => got.push(value));
  await settled();
  answered.open();
  await settled();
  expect(got).toMatchObject([{ data: "1" }, { data: "1" }]);
  for (const reading of [early, late]) await reading.return?.();
  await store.close();
});

describe("memory", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const used = async (): Promise<number> => {
    for (let i = 0; i < 3; i++) {
      await settled();
      collect();
    }
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return (heapUsed + arrayBuffers) / 2 ** 20;
  };

  test.each<[string, EventStreamOptions]>([
    ["catch up", {}],
    ["skip", { whenBehind: "skip" }],
    ["are filtered and coalesced", { filter: ({ data }) => !data.startsWith("7"), coalesce: true }],
  ])("of a hub does not grow with clients that stall and %s, whatever is published to them", async (_, options) => {
    const retention = { maxBytes: 2 ** 20, maxEvents: 1000 };
    const hub = setUp({ store: memoryStore({ retention }), runBytes: 2 ** 20 });
    const channel = hub.channel("c");
    const sinks = await Promise.all(
      Array.from({ length: 100 }, () => connect(channel, { writeDeadline: false, ...options })),
    );
    for (const sink of sinks) sink.hasRoom = false;
    await channel.publish({ data: "fills" });
    await settled();
    const before = await used();
    for (let i = 0; i < 64; i++) {
      await channel.publish(
        Array.from({ length: 16 }, (__, j) => ({ data: String(i % 10).repeat(2 ** 16), key: `${j}` })),
      );
      await settled();
    }
    expect((await used()) - before).toBeLessThan(8); // of 64 MiB, for each of them
    expect(hub.stats()).toMatchObject({ connections: 100, full: 100 });
    for (const sink of sinks) sink.writer.gone();
  });

  test("of connections, and of all that a hub keeps of them, is free again when they are over", async () => {
    const hub = setUp({ linger: 0, maxConnectionsPerKey: 5000 });
    const options: EventStreamOptions = { filter: () => true, maxAge: 60_000, limitKey: ({ url }) => url.search };
    const round = async (): Promise<void> => {
      for (let i = 0; i < 1000; i++) {
        const client = await visit(hub.channels(["a", "b"]), { url: `http://localhost/?${i}`, options });
        await client.until("live");
        await client.leave();
      }
    };
    await round();
    const before = await used();
    for (let i = 0; i < 3; i++) await round();
    expect((await used()) - before).toBeLessThan(3); // 1 KiB for each
    expect(hub.stats()).toMatchObject({ connections: 0, opened: 4000 });
  });
});
