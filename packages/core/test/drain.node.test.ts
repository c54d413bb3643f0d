import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createHub, eventStream } from "../src/index.ts";
import type { Connection, Hub, HubOptions } from "../src/index.ts";
import { visit } from "./visit.ts";
import type { Visit } from "./visit.ts";

beforeEach(() => void vi.useFakeTimers());
const hubs: Hub[] = [];
afterEach(async () => {
  for (const hub of hubs.splice(0)) await hub.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

function setUp(options: HubOptions = {}): Hub {
  const hub = createHub({ onError: () => {}, linger: 0, ...options });
  hubs.push(hub);
  return hub;
}

/** Whether it has resolved, and when. */
function watched(promise: Promise<unknown>): { at: number | undefined } {
  const startedAt = performance.now();
  const watch: { at: number | undefined } = { at: undefined };
  void promise.then(() => (watch.at = performance.now() - startedAt));
  return watch;
}

async function crowd(hub: Hub, count: number): Promise<Visit[]> {
  const clients = await Promise.all(
    Array.from({ length: count }, () => visit(hub.channel("c"), { options: { retry: 2000 } })),
  );
  for (const client of clients) await client.until("live");
  return clients;
}

test("a hub that closes says goodbye to the connections of functions, too", async () => {
  const hub = setUp();
  let hasStopped = false;
  const endless = async function* (): AsyncGenerator<{ data: string }> {
    try {
      for (;;) {
        yield { data: "more" };
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    } finally {
      hasStopped = true;
    }
  };
  const response = await eventStream(endless, { hub, retry: 5 })(new Request("http://localhost/"));
  const reading = response.text();
  await vi.advanceTimersByTimeAsync(25);
  await hub.close();
  await vi.advanceTimersByTimeAsync(25);
  expect(await reading).toMatch(/^:\nretry: 5\n(data: more\n\n)+$/);
  expect([hasStopped, hub.stats().connections, hub.stats().closed]).toEqual([true, 0, { drained: 1 }]);
});

describe("a drain", () => {
  test("spreads the goodbyes evenly over its window, in no order, and resolves when all have left", async () => {
    const hub = setUp();
    const clients = await crowd(hub, 2000);
    const leftAt: number[] = [];
    const order: number[] = [];
    clients.forEach((client, i) => {
      void client.connection?.closed.then(() => {
        leftAt.push(performance.now() - startedAt);
        order.push(i);
      });
      void client.rest();
    });
    const startedAt = performance.now();
    const drained = watched(hub.drain({ within: 5000 }));
    await vi.advanceTimersByTimeAsync(5000);
    expect(leftAt).toHaveLength(2000);
    const slots = Array.from({ length: 50 }, (_, slot) => leftAt.filter((at) => Math.floor(at / 100) === slot).length);
    expect(Math.max(...slots)).toBeLessThanOrEqual(60); // 3 percent, where 2 are even
    expect(Math.min(...slots)).toBeGreaterThanOrEqual(20);
    expect(drained.at).toBeGreaterThan(4900);
    expect(drained.at).toBeLessThanOrEqual(5000);
    const inOrder = order.filter((client, i) => i > 0 && client === (order[i - 1] as number) + 1).length;
    expect(inOrder).toBeLessThan(20);
    expect(hub.stats()).toMatchObject({ connections: 0, isDraining: true, closed: { drained: 2000 } });
  });

  test("ends each cleanly: what it was sent arrives, with where it is, and nothing says that it is over", async () => {
    const hub = setUp();
    const channel = hub.channel("c");
    const client = await visit(channel, { options: { filter: ({ data }) => data !== "hidden" } });
    await client.until("live");
    await channel.publish({ data: "1" });
    await client.until("1");
    const hidden = await channel.publish({ data: "hidden" });
    const drained = hub.drain({ within: 100 });
    const rest = client.rest();
    await vi.advanceTimersByTimeAsync(100);
    await drained;
    expect(await rest).toEqual(["live", "1", "live"]);
    expect(client.lastEventId).toBe(hidden);
    expect(await client.connection?.closed).toBe("drained");
    expect(client.connection?.signal.reason).toMatchObject({ code: "connection-closed", reason: "drained" });
  });

  test("tells a new client when to come back, and ends, before its channel is read or its function called", async () => {
    const hub = setUp();
    const staying = await visit(hub.channel("c"));
    const drained = hub.drain({ within: 1000 });
    let calls = 0;
    for (const source of [hub.channel("c"), () => void calls++]) {
      const client = await visit(source, { options: { hub, retry: [2000, 4000] } });
      expect(client.response.status).toBe(200);
      expect(await client.rest()).toEqual([]);
      const [, retry] = /^:\nretry: (\d+)\n$/.exec(client.text) ?? [];
      expect(Number(retry)).toBeGreaterThanOrEqual(2000);
      expect(Number(retry)).toBeLessThanOrEqual(4000);
      expect(await client.connection?.closed).toBe("drained");
    }
    expect(calls).toBe(0);
    expect(hub.stats()).toMatchObject({ opened: 1, refused: { draining: 2 } });
    void staying.rest();
    await vi.advanceTimersByTimeAsync(1000);
    await drained;
    const late = await visit(hub.channel("c"));
    expect(await late.rest()).toEqual([]);
    expect(hub.stats().refused).toEqual({ draining: 3 });
  });

  test("lets in nobody who is being authorised when it begins", async () => {
    const hub = setUp();
    const staying = await visit(hub.channel("c"));
    const coming = visit(hub.channel("c"), {
      options: { authorize: () => new Promise((resolve) => setTimeout(resolve, 50)) },
    });
    const drained = hub.drain({ within: 1000 });
    await vi.advanceTimersByTimeAsync(50);
    expect(await (await coming).rest()).toEqual([]);
    void staying.rest();
    await vi.advanceTimersByTimeAsync(1000);
    await drained;
  });

  test("cuts off at the end of its window those that do not take their goodbye", async () => {
    const hub = setUp();
    const stalled = await visit(hub.channel("c"));
    const filled = await visit(
      async ({ send, closed }) => {
        for (let i = 0; i < 10; i++) void send({ data: "x".repeat(1000) });
        await closed;
      },
      { options: { hub, writeDeadline: false } },
    );
    const drained = watched(hub.drain({ within: 2000 }));
    await vi.advanceTimersByTimeAsync(1999);
    expect(drained.at).toBe(undefined);
    expect(hub.stats()).toMatchObject({ connections: 2, full: 2 });
    await vi.advanceTimersByTimeAsync(2);
    expect(drained.at).toBeGreaterThanOrEqual(1999);
    for (const client of [stalled, filled]) {
      expect(client.connection?.reason).toBe("drained");
      await expect(client.rest()).rejects.toThrow("broken off");
    }
  });

  test("stops the functions: their signal aborts, and the `finally` of their generators runs", async () => {
    const hub = setUp();
    const ended: string[] = [];
    const generator = async function* ({ signal }: Connection): AsyncGenerator<{ data: string }> {
      try {
        yield { data: "1" };
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        yield { data: "2" };
      } finally {
        ended.push("generator");
      }
    };
    const sender = async ({ send, signal }: Connection): Promise<void> => {
      await send({ data: "1" });
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      ended.push("sender");
    };
    const clients = [await visit(generator, { options: { hub } }), await visit(sender, { options: { hub } })];
    const rests = clients.map((client) => client.rest());
    await vi.advanceTimersByTimeAsync(0);
    const drained = watched(hub.drain({ within: 100 }));
    await vi.advanceTimersByTimeAsync(100);
    expect(drained.at).toBeLessThanOrEqual(100);
    expect(ended.toSorted()).toEqual(["generator", "sender"]);
    // No sluice.end: they are to come back.
    expect(await Promise.all(rests)).toEqual([["1"], ["1"]]);
  });

  test("resolves at once where there is nobody, and again", async () => {
    const hub = setUp();
    await hub.drain();
    await hub.drain({ within: 60_000 });
    expect(hub.stats()).toMatchObject({ isDraining: true, connections: 0 });
  });

  test("resolves as soon as all have left, by themselves", async () => {
    const hub = setUp();
    const clients = await crowd(hub, 3);
    const drained = watched(hub.drain({ within: 60_000 }));
    await vi.advanceTimersByTimeAsync(100);
    for (const client of clients) await client.leave();
    await vi.advanceTimersByTimeAsync(0);
    expect(drained.at).toBe(100);
    expect(hub.stats().closed).toEqual({ disconnected: 3 });
  });

  test("that is asked for twice resolves twice, when all have left; the shorter window counts", async () => {
    const hub = setUp();
    const clients = await crowd(hub, 3);
    const stalled = await visit(hub.channel("c"));
    for (const client of clients) void client.rest();
    const first = watched(hub.drain({ within: 10_000 }));
    await vi.advanceTimersByTimeAsync(10);
    const second = watched(hub.drain({ within: 1000 }));
    await vi.advanceTimersByTimeAsync(998);
    expect([first.at, second.at]).toEqual([undefined, undefined]);
    await vi.advanceTimersByTimeAsync(4);
    expect(first.at).toBeGreaterThanOrEqual(1009);
    expect(second.at).toBeGreaterThanOrEqual(999);
    expect(stalled.connection?.reason).toBe("drained");
  });

  test("within no time ends all together", async () => {
    const hub = setUp();
    const clients = await crowd(hub, 20);
    const rests = clients.map((client) => client.rest());
    const drained = watched(hub.drain({ within: 0 }));
    await vi.advanceTimersByTimeAsync(20);
    expect(drained.at).toBeLessThanOrEqual(20);
    expect((await Promise.all(rests)).every((told) => told.join() === "live")).toBe(true);
  });

  test("leaves channels to be published to and read in the process", async () => {
    const hub = setUp();
    await hub.drain();
    const channel = hub.channel("c");
    await channel.publish({ data: "1" });
    const items = channel.read("start");
    expect((await items.next()).value).toMatchObject({ data: "1" });
    await items.return?.();
    await vi.advanceTimersByTimeAsync(1);
  });

  test("has a default window of five seconds, and refuses what is none", async () => {
    const hub = setUp();
    const stalled = await visit(hub.channel("c"));
    for (const within of [-1, Infinity, Number.NaN, "5"]) {
      await expect(hub.drain({ within: within as number })).rejects.toMatchObject({ code: "invalid-option" });
    }
    expect(hub.stats().isDraining).toBe(false);
    const drained = watched(hub.drain());
    await vi.advanceTimersByTimeAsync(4998);
    expect(drained.at).toBe(undefined);
    await vi.advanceTimersByTimeAsync(4);
    expect(drained.at).toBeGreaterThanOrEqual(4999);
    expect(stalled.connection?.reason).toBe("drained");
  });

  test("does not touch connections of no hub", async () => {
    const hub = setUp();
    const handler = eventStream(async ({ closed }) => void (await closed), { keepAlive: false });
    const response = await handler(new Request("http://localhost/"));
    await hub.drain();
    const reader = response.body?.getReader();
    expect((await reader?.read())?.done).toBe(false);
    await reader?.cancel();
  });
});

test("a hub that closes says goodbye to all: they come back", async () => {
  const hub = setUp();
  const clients = await crowd(hub, 3);
  const rests = clients.map((client) => client.rest());
  await hub.close();
  expect(await Promise.all(rests)).toEqual([["live"], ["live"], ["live"]]);
  for (const client of clients) expect(client.connection?.reason).toBe("drained");
});
