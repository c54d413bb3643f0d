import { describe, expect, test, vi } from "vitest";
import { createHub, decodeEventStream, eventStream, formatEventId, memoryStore } from "../src/index.ts";
import type { Cursor, EventStore, Hub, Slice, Source } from "../src/index.ts";
import { respondThrough, TestSink } from "./test-sink.ts";
import { visit } from "./visit.ts";
import { rounds, setUp } from "./hubs.ts";

/** A memory store with something else in the place of one of its methods. */
function memoryWith(methods: (inner: EventStore) => Partial<EventStore>): EventStore {
  const inner = memoryStore();
  return {
    append: (...given) => inner.append(...given),
    read: (...given) => inner.read(...given),
    tails: (...given) => inner.tails(...given),
    watch: (...given) => inner.watch(...given),
    drop: (...given) => inner.drop(...given),
    close: () => inner.close(),
    durability: inner.durability,
    ...methods(inner),
  };
}

describe("a store that would be read for ever is read at a pace", () => {
  test.each(["at once", "a microtask later"])("where every read rings the bell, %s", async (when) => {
    let ring: ((hint?: Slice) => void) | undefined;
    let reads = 0;
    const store = memoryWith((inner) => ({
      watch(channel, bell, signal) {
        ring = bell;
        return inner.watch(channel, bell, signal);
      },
      async read(...given) {
        reads++;
        if (when === "at once") ring?.();
        else queueMicrotask(() => ring?.());
        return inner.read(...given);
      },
    }));
    const items = setUp({ store }).channel("c").read("tail");
    expect((await items.next()).value?.type).toBe("live");
    await rounds(200);
    expect(reads).toBeLessThan(50);
    await items.return?.();
  });

  /** One event in each slice, without end. */
  const endless = async (_: string, after: Cursor): Promise<Slice> => {
    if (after === "tail") return { from: "origin", events: [], next: "origin", upToDate: true, closed: false };
    const seq = after === "start" || after === "origin" ? 0 : Number(/\.[a-p](\d+)aaaa$/.exec(after)?.[1]);
    const id = formatEventId({ epoch: "e1", seq: seq + 1, tag: "aaaa" });
    const from = seq === 0 ? "origin" : after;
    return { from, events: [{ id, data: "x", at: 1 }], next: id, upToDate: false, closed: false };
  };

  test.each(["tail", "start", { last: 3 }] as const)("where it has no end, from %o", async (start) => {
    let reads = 0;
    const store = memoryWith(() => ({
      async read(channel, after) {
        if (++reads > 2_000_000) throw new Error("It is read for ever");
        return endless(channel, after);
      },
    }));
    const hub = setUp({ store });
    const items = hub.channel("c").read(start);
    void items.next();
    await rounds(20);
    expect(reads).toBeLessThan(2_000_000);
    await items.return?.();
    await hub.close();
  });

  test("and others of its hub are read meanwhile, also where its reads hang", async () => {
    const store = memoryWith((inner) => ({
      read: (channel, after, options) =>
        channel.startsWith("hangs") ? new Promise(() => {}) : inner.read(channel, after, options),
    }));
    const hub = setUp({ store, maxReplayReads: 4 });
    await hub.channel("good").publish([{ data: "1" }, { data: "2" }]);
    const hanging = Array.from({ length: 20 }, (_, i) =>
      hub.channel("hangs").read(`e.a1aaa${String.fromCharCode(97 + i)}`),
    );
    const waiting = hanging.map((items) => items.next());
    const client = await visit(hub.channel("good"), { options: { start: "start" } });
    expect(await client.until("live")).toEqual(["1", "2", "live"]);
    await client.leave();
    await Promise.all(hanging.map(async (items) => items.return?.()));
    await Promise.all(waiting);
  });
});

describe("who tries again at once what fails gives everybody else a turn", () => {
  const attempts: Record<string, () => Promise<(() => Promise<unknown>) | undefined>> = {
    "a publish that is invalid": async () => {
      const channel = setUp().channel("c");
      return () => channel.publish({ data: undefined });
    },
    "a publish to a closed channel": async () => {
      const channel = setUp().channel("c");
      await channel.close();
      return () => channel.publish({ data: "x" });
    },
    "a publish whose tail is another": async () => {
      const channel = setUp().channel("c");
      await channel.publish({ data: "x" });
      return () => channel.publish({ data: "x" }, { ifTail: "origin" });
    },
    "a question for the position": async () => {
      const channel = setUp().channel("c");
      return () => channel.position();
    },
    "a loop that begins to read, and leaves": async () => {
      const channel = setUp().channel("c");
      await channel.publish({ data: "x" });
      return async () => {
        for await (const item of channel.read("start")) if (item.type === "event") break;
      };
    },
    "a send to a client that has left, or of what cannot be sent": async () => {
      const sink = new TestSink();
      let attempt: (() => Promise<unknown>) | undefined;
      const source: Source = ({ send }) => {
        attempt = () => send({ id: "a\nb", data: "x" });
        return new Promise(() => {});
      };
      respondThrough(sink, source);
      sink.writer.gone();
      return attempt;
    },
  };
  test.each(Object.entries(attempts))("%s", async (_, prepare) => {
    const attempt = (await prepare()) as () => Promise<unknown>;
    let tried = 0;
    let stop = false;
    const trying = (async () => {
      for (; !stop && tried < 3_000_000; tried++) await attempt().catch(() => {});
    })();
    await rounds(5);
    expect(tried).toBeLessThan(3_000_000);
    stop = true;
    await trying;
  });
});

describe("a group of many channels", () => {
  const names = Array.from({ length: 48 }, (_, i) => `c${i}`);
  const cursorOf = async (hub: Hub): Promise<string> => {
    for (const name of names) await hub.channel(name).publish({ data: "first" });
    return hub.channels(names).position();
  };

  test("writes no more at a time than one channel does, and the same to all at the same cursor", async () => {
    const hub = setUp();
    const cursor = await cursorOf(hub);
    for (const name of names)
      await hub.channel(name).publish(Array.from({ length: 100 }, (_, i) => ({ data: `${i}` })));
    const sinks: TestSink[] = [];
    for (let i = 0; i < 3; i++) {
      const sink = new TestSink();
      sink.hasRoom = false;
      respondThrough(sink, hub.channels(names), { maxWriteBytes: 10_000 }, cursor);
      for (let n = 0; n < 5; n++) {
        const before = sink.writes.length;
        sink.writer.drained();
        while (sink.writes.length === before) await rounds(1);
      }
      sinks.push(sink);
    }
    const [first, ...others] = sinks as [TestSink, ...TestSink[]];
    expect(Math.max(...first.writes.map(({ length }) => length))).toBeLessThanOrEqual(10_000);
    expect(first.writes.some(({ length }) => length > 3_000)).toBe(true);
    for (const { writes } of others) expect(writes.slice(2)).toEqual(first.writes.slice(2));
    for (const { writer } of sinks) writer.gone();
  });

  test("maps for a client that does not read no more than it is written", async () => {
    const hub = setUp();
    const cursor = await cursorOf(hub);
    for (const name of names) await hub.channel(name).publish({ data: "next" });
    let mapped = 0;
    const sink = new TestSink();
    sink.hasRoom = false;
    const map = (): { data: string } => ({ data: `${++mapped}`.padEnd(100_000) });
    respondThrough(sink, hub.channels(names), { map }, cursor);
    sink.writer.drained();
    while (mapped === 0) await rounds(1);
    await rounds(10);
    expect(mapped).toBeLessThan(4);
    sink.writer.gone();
  });
});

test("a runtime without weak references shares less, and reads and writes the same", async () => {
  vi.stubGlobal("WeakRef", undefined);
  try {
    const hub = setUp({ runBytes: 1 });
    const names = ["a", "b"];
    for (const name of names) await hub.channel(name).publish([{ data: `${name}1` }, { data: `${name}2` }]);
    const one = await visit(hub.channel("a"), { options: { start: "start" } });
    expect(await one.until("live")).toEqual(["a1", "a2", "live"]);
    const both = await visit(hub.channels(names), { options: { start: "start" } });
    expect((await both.until("live")).toSorted()).toEqual(["a1", "a2", "b1", "b2", "live"]);
    await Promise.all([one.leave(), both.leave()]);
  } finally {
    vi.unstubAllGlobals();
  }
});

describe("live channels", () => {
  test("over their limit are refused, by read() and to connections, until one is let go", async () => {
    const hub = setUp({ maxLiveChannels: 2, linger: 60_000 });
    const first = hub.channel("a").read("tail");
    const second = hub.channel("b").read("tail");
    await Promise.all([first.next(), second.next()]);
    await expect(hub.channel("c").read("tail").next()).rejects.toMatchObject({
      code: "too-large",
      option: "maxLiveChannels",
    });
    const turnedAway = await visit(hub.channel("c"), { options: { retry: 1234 } });
    expect(turnedAway.response.status).toBe(200);
    await turnedAway.rest();
    expect(turnedAway.text).toBe(":\nretry: 1234\n");
    const group = await visit(hub.channels(["a", "c"]));
    await group.rest();
    expect(hub.stats()).toMatchObject({ refused: { maxLiveChannels: 2 }, connections: 0, channels: 2 });
    const post = await eventStream(hub.channel("c"))(new Request("http://localhost/", { method: "POST" }));
    expect([post.status, post.headers.has("Retry-After")]).toEqual([503, true]);
    // One that only lingers makes room.
    await first.return?.();
    const third = hub.channel("c").read("tail");
    expect((await third.next()).value?.type).toBe("live");
    expect(hub.stats().channels).toBe(2);
    await Promise.all([second.return?.(), third.return?.()]);
  });
});

describe("what is thrown or given may be anything", () => {
  const hostile: Record<string, () => unknown> = {
    "a Proxy that may not be asked": () =>
      new Proxy(
        {},
        {
          has: () => {
            throw new Error("asked");
          },
        },
      ),
    "an Error whose name throws": () =>
      Object.defineProperty(new Error("x"), "name", {
        get: () => {
          throw new Error("named");
        },
      }),
  };
  test.each(Object.entries(hostile))("%s is told to onError, and ends nothing", async (_, make) => {
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on("unhandledRejection", note);
    try {
      const told: unknown[] = [];
      const sink = new TestSink();
      const source: Source = async ({ signal }) => {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        throw make();
      };
      respondThrough(sink, source, { onError: (error) => told.push(error) });
      await rounds(1);
      sink.writer.gone();
      await sink.writer.done;
      expect(told).toHaveLength(1);
      const event = {
        get data(): string {
          throw make();
        },
      };
      await setUp()
        .channel("c")
        .publish(event)
        .catch(() => {});
      await rounds(3);
      expect(unhandled).toEqual([]);
    } finally {
      process.off("unhandledRejection", note);
    }
  });

  test("a signal, or an Error, is not taken for options", () => {
    const { signal } = new AbortController();
    const refused = expect.objectContaining({ code: "invalid-option", option: "options" }) as Error;
    expect(() =>
      setUp()
        .channel("c")
        .read("tail", signal as never),
    ).toThrow(refused);
    expect(() =>
      decodeEventStream(new Response("", { headers: { "Content-Type": "text/event-stream" } }), signal as never),
    ).toThrow(refused);
    expect(() => createHub(new Error("x") as never)).toThrow(refused);
    expect(() => eventStream(() => [], signal as never)).toThrow(refused);
  });

  test("a parse that returns a promise is refused, and its rejection ends nothing", async () => {
    const body = new Response("data: [DONE]\n\n").body as ReadableStream<Uint8Array>;
    const parse = async (data: string): Promise<unknown> => JSON.parse(data);
    const error: unknown = await decodeEventStream(body, { parse })
      .next()
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: "invalid-data",
      cause: { message: expect.stringContaining("promise") as string },
    });
    await rounds(3);
  });
});
