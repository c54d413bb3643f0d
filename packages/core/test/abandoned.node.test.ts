import { getEventListeners } from "node:events";
import { setImmediate as turn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, describe, expect, test } from "vitest";
import { createHub, decodeEventStream } from "../src/index.ts";
import type { Hub } from "../src/index.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Collects until it is so: what hears of a collection does so some turns later. */
async function collectUntil(isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 100 && !isSo(); i++) {
    await turn(); // what a WeakRef was asked for stays until then
    collectGarbage();
    await turn();
  }
  expect(isSo()).toBe(true);
}

const hubs: Hub[] = [];
afterEach(async () => {
  for (const hub of hubs.splice(0)) await hub.close();
});

function setUp(): Hub {
  const hub = createHub({ linger: 0 });
  hubs.push(hub);
  return hub;
}

const listeners = (signal: AbortSignal): number => getEventListeners(signal, "abort").length;

const responseOf = (wire: string): Response => new Response(wire, { headers: { "Content-Type": "text/event-stream" } });

const stalled = (): AsyncIterable<string> => ({
  [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }),
});

describe("of an iterator that is abandoned, nothing stays on a signal that lives on:", () => {
  const { signal } = new AbortController();
  const abandonings: Readonly<Record<string, () => Promise<object>>> = {
    "decodeEventStream, not begun": async () => decodeEventStream(responseOf("data: a\n\n"), { signal }),
    "decodeEventStream, begun": async () => {
      const events = decodeEventStream(responseOf("data: a\n\ndata: b\n\n"), { signal, idle: 60_000 });
      await events.next();
      return events;
    },
    "read() of a channel, not begun": async () => setUp().channel("c").read("tail", { signal }),
    "read() of a channel, begun": async () => {
      const items = setUp().channel("c").read("tail", { signal });
      await items.next();
      return items;
    },
    "read() of several channels, begun": async () => {
      const items = setUp().channels(["a", "b"]).read("tail", { signal });
      await items.next();
      return items;
    },
  };

  for (const [what, abandon] of Object.entries(abandonings)) {
    test(what, async () => {
      // Each in a call of its own: a frame that goes on may still hold what it had last.
      const weakly = async (): Promise<WeakRef<object>> => new WeakRef(await abandon());
      const abandoned: WeakRef<object>[] = [];
      for (let i = 0; i < 20; i++) abandoned.push(await weakly());
      await collectUntil(() => listeners(signal) === 0);
      await collectUntil(() => abandoned.every((iterator) => iterator.deref() === undefined));
    });
  }
});

test("an iterator of a channel that is abandoned lets go of its channel", async () => {
  const hub = setUp();
  const begin = async (): Promise<void> => {
    await hub.channel("c").read("tail").next();
    await hub.channels(["a", "b"]).read("tail").next();
  };
  await begin();
  expect(hub.stats().channels).toBe(3);
  await collectUntil(() => hub.stats().channels === 0);
});

describe("an iterator that somebody waits for is not abandoned:", () => {
  const { signal } = new AbortController();
  test("decodeEventStream rejects its read when a signal aborts, though nothing but the signal is held", async () => {
    const aborting = new AbortController();
    let thrown: unknown;
    const begin = async (): Promise<void> => {
      try {
        for await (const event of decodeEventStream(stalled(), { signal: aborting.signal })) void event;
      } catch (error) {
        thrown = error;
      }
    };
    void begin();
    for (let i = 0; i < 5; i++) {
      await turn();
      collectGarbage();
    }
    aborting.abort("enough");
    await turn();
    expect(thrown).toBe("enough");
  });

  test("read() of a channel answers, and rejects its read when a signal aborts", async () => {
    const channel = setUp().channel("c");
    const aborting = new AbortController();
    const begin = async (given: AbortSignal): Promise<{ waiting: Promise<unknown> }> => {
      const items = channel.read("tail", { signal: given });
      await items.next();
      return { waiting: items.next() };
    };
    const [answered, rejected] = [await begin(signal), await begin(aborting.signal)];
    for (let i = 0; i < 5; i++) {
      collectGarbage();
      await turn();
    }
    aborting.abort("enough");
    await expect(rejected.waiting).rejects.toBe("enough");
    await channel.publish({ data: "a" });
    expect(await answered.waiting).toMatchObject({ value: { data: "a" } });
  });

  test("it still reacts at once between two reads", async () => {
    const aborting = new AbortController();
    let cancelled: unknown;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode("data: a\n\n")),
      cancel(reason) {
        cancelled = reason;
      },
    });
    const events = decodeEventStream(body, { signal: aborting.signal });
    await events.next();
    collectGarbage();
    await turn();
    aborting.abort("enough");
    expect(cancelled).toBe("enough");
    await expect(events.next()).rejects.toBe("enough");
    expect(listeners(aborting.signal)).toBe(0);
  });
});

test("what has come to its end has let go at once", async () => {
  const { signal } = new AbortController();
  const channel = setUp().channel("c");
  await channel.publish({ data: "a" });
  await channel.close();
  for await (const item of channel.read("start", { signal })) void item;
  for await (const event of decodeEventStream(responseOf("data: a\n\n"), { signal })) void event;
  const left = channel.read("start", { signal });
  await left.next();
  await left.return?.();
  expect(await left.next()).toEqual({ done: true, value: undefined });
  expect(listeners(signal)).toBe(0);
});
