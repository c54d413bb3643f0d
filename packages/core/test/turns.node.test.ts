import { describe, expect, test, vi } from "vitest";
import { memoryStore } from "../src/index.ts";
import type { Connection, ServerSentEvent, Source } from "../src/index.ts";
import { Pace, TaskQueue } from "../src/turns.ts";
import { respondThrough, TestSink } from "./test-sink.ts";
import { rounds, setUp } from "./hubs.ts";

/** So many that a loop which never stands back would come to its end, late, and not run for ever. */
const MANY = 1_000_000;

function* events(): Generator<ServerSentEvent> {
  for (let i = 0; i < MANY; i++) yield { data: i };
}

/** A sink whose client takes all, at once. */
function greedy(source: Source): TestSink {
  const sink = new TestSink();
  let written = 0;
  sink.write = () => ++written > 0;
  Object.defineProperty(sink, "written", { get: () => written });
  respondThrough(sink, source);
  return sink;
}

const writtenTo = (sink: TestSink): number => (sink as unknown as { written: number }).written;

const sources: Readonly<Record<string, Source>> = {
  "a generator": () => events(),
  "an async generator": async function* () {
    yield* events();
  },
  "an iterable": () => ({ [Symbol.iterator]: () => events() }),
  "a ReadableStream": () => {
    const all = events();
    return new ReadableStream<ServerSentEvent>({
      pull(controller) {
        const { done, value } = all.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      },
    });
  },
  "a function that waits for each send": async ({ send }: Connection) => {
    for (const event of events()) await send(event);
  },
  "a function whose client has room again before a write returns": async ({ send }: Connection) => {
    for (const event of events()) await send(event);
  },
};

describe("what never has to wait gives everybody else a turn", () => {
  test.each(Object.entries(sources))("%s", async (name, source) => {
    const sink = greedy(source);
    if (name.includes("room again")) sink.write = () => (queueMicrotask(() => sink.writer.drained()), false);
    await rounds(3);
    expect(writtenTo(sink)).toBeLessThan(MANY);
    expect(sink.writer.reason).toBe(undefined);
    const before = writtenTo(sink);
    await rounds(20);
    if (!name.includes("room again")) expect(writtenTo(sink)).toBeGreaterThan(before);
    sink.writer.gone();
    await sink.writer.done;
  });

  test("several greedy sources, in equal parts", async () => {
    const sinks = Array.from({ length: 4 }, () => greedy(() => events()));
    await rounds(300);
    const written = sinks.map(writtenTo);
    expect(Math.min(...written)).toBeGreaterThan(Math.max(...written) / 4);
    for (const sink of sinks) sink.writer.gone();
  });

  test("a loop that publishes into memory", async () => {
    const channel = setUp().channel("c");
    let published = 0;
    const publishing = (async () => {
      for (; published < MANY && published >= 0; published++) await channel.publish({ data: "x" });
    })();
    await rounds(3);
    expect(published).toBeLessThan(MANY);
    published = -1_000_000;
    await publishing;
  });

  test("clients that replay what is in memory", async () => {
    const store = memoryStore({ retention: { maxEvents: MANY, maxBytes: 1e9 } });
    const hub = setUp({ store });
    const channel = hub.channel("c");
    for (let i = 0; i < 100; i++)
      await channel.publish(Array.from({ length: 1000 }, (_, j) => ({ data: `${i} ${j}` })));
    const sinks = Array.from({ length: 5 }, () => greedy(channel));
    await rounds(3);
    expect(hub.stats().maxLag).toBeGreaterThan(0);
    while (hub.stats().maxLag > 0) await rounds(1);
    expect(hub.stats().replayedEvents).toBe(500_000);
    for (const sink of sinks) sink.writer.gone();
  });

  test("many that are to be told goodbye", async () => {
    const hub = setUp();
    const channel = hub.channel("c");
    const sinks = Array.from({ length: 200 }, () => greedy(channel));
    await rounds(10);
    let ended = 0;
    for (const sink of sinks) {
      sink.end = () => {
        for (const until = performance.now() + 1; performance.now() < until;);
        ended++;
      };
    }
    let endedInFirst: number | undefined;
    void rounds(1).then(() => (endedInFirst = ended));
    await hub.drain({ within: 0 });
    expect(endedInFirst).toBeLessThan(200);
    expect(ended).toBe(200);
  });
});

describe("a crowd that comes back", () => {
  test("shares what was read, also where cursors were made up, or those who come come one after another", async () => {
    const store = memoryStore();
    const hub = setUp({ store });
    const channel = hub.channel("c");
    const [first] = [await channel.publish({ data: "0" })];
    await channel.publish(Array.from({ length: 500 }, (_, i) => ({ data: `${i}`.padEnd(2000, "x") })));
    const read = vi.spyOn(store, "read");
    const written = async (lastEventId: string): Promise<Uint8Array | undefined> => {
      const sink = new TestSink();
      sink.hasRoom = false;
      respondThrough(sink, channel, { maxWriteBytes: 30_000 }, lastEventId);
      while (sink.writes.length === 0) await rounds(1);
      sink.hasRoom = true;
      sink.hasRoom = false;
      sink.writer.drained();
      while (sink.writes.length < 2) await rounds(1);
      sink.writer.gone();
      return sink.writes[1];
    };
    // What nobody holds any more may be collected in between, which is rare.
    const isShared = async (cursor: string, other: string): Promise<boolean> => {
      for (let attempt = 0; attempt < 5; attempt++) {
        const reads = read.mock.calls.length;
        const one = await written(cursor);
        const readsOfOne = read.mock.calls.length - reads;
        const isSame = (await written(other)) === one;
        if (isSame && read.mock.calls.length - reads <= 2 * Math.max(readsOfOne, 1)) return true;
      }
      return false;
    };
    expect(await isShared(first, first)).toBe(true);
    expect(await isShared("e1.a5aaaa", "e1.a6aaaa")).toBe(true);
    expect(await written("no cursor at all")).not.toBe(await written("e1.a5aaaa")); // another reason
  });
});

describe("a pace", () => {
  test("is over after a while, and after many steps where the clock stands still", async () => {
    const pace = new Pace();
    let steps = 0;
    const startedAt = performance.now();
    while (!pace.isOver()) steps++;
    expect(steps).toBeGreaterThan(10);
    expect(performance.now() - startedAt).toBeGreaterThan(0);
    await pace.nextTurn();
    vi.useFakeTimers({ toFake: ["performance"] });
    try {
      for (steps = 0; !pace.isOver(); steps++) expect(steps).toBeLessThan(10_000);
      expect(steps).toBeGreaterThan(100);
    } finally {
      vi.useRealTimers();
    }
  });

  test("begins anew where its loop has had to wait", async () => {
    const pace = new Pace();
    for (let i = 0; i < 1000; i++) {
      expect(pace.isOver()).toBe(false);
      await rounds(1);
    }
  });
});

describe("a queue of tasks", () => {
  const busy = (ms: number): void => {
    for (const until = performance.now() + ms; performance.now() < until;);
  };

  test("runs all of them, in order, over several turns; what was forgotten not at all, what waits already once", async () => {
    const queue = new TaskQueue();
    const done: number[] = [];
    const tasks = Array.from({ length: 100 }, (_, i) => () => {
      busy(0.2);
      done.push(i);
    });
    busy(1);
    queue.run(() => busy(6));
    for (const task of tasks) queue.run(task);
    for (const task of tasks.slice(0, 10)) queue.run(task);
    queue.forget(tasks[5] as () => void);
    expect(done).toEqual([]);
    await rounds(2);
    expect(done.length).toBeLessThan(99);
    while (done.length < 99) await rounds(1);
    await rounds(3);
    expect(done).toEqual(tasks.map((_, i) => i).filter((i) => i !== 5));
  });
});
