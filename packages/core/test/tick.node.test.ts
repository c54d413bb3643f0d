import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createHub } from "../src/index.ts";
import type { Hub } from "../src/index.ts";
import { Tick } from "../src/tick.ts";
import type { Ticking } from "../src/tick.ts";
import { visit } from "./visit.ts";
import type { Visit } from "./visit.ts";

beforeEach(() => void vi.useFakeTimers());
const hubs: Hub[] = [];
afterEach(async () => {
  for (const hub of hubs.splice(0)) await hub.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** Wants to be looked at every `every` ms, and notes when it was. */
class Watch implements Ticking {
  readonly at: number[] = [];
  readonly every: number;

  constructor(every: number) {
    this.every = every;
  }

  tick(now: number): number {
    if (now >= (this.at.at(-1) ?? 0) + this.every - 1) this.at.push(now);
    return (this.at.at(-1) ?? 0) + this.every;
  }
}

describe("a tick", () => {
  test("has one timer, for the earliest of all, and none when it looks after nothing", async () => {
    const tick = new Tick();
    const now = performance.now();
    const watches = [new Watch(100), new Watch(30), new Watch(Infinity)];
    for (const watch of watches) {
      watch.at.push(now);
      tick.by(watch, now + watch.every);
      expect(vi.getTimerCount()).toBe(1);
    }
    await vi.advanceTimersByTimeAsync(301);
    expect(watches.map(({ at }) => at.length - 1)).toEqual([3, 10, 0]);
    expect(vi.getTimerCount()).toBe(1);
    for (const watch of watches) tick.letGo(watch);
    expect(vi.getTimerCount()).toBe(0);
    // And begins again.
    tick.by(watches[0] as Watch, performance.now() + 5);
    await vi.advanceTimersByTimeAsync(200);
    expect(watches[0]?.at.length).toBeGreaterThan(4);
    tick.letGo(watches[0] as Watch);
  });

  test("sets no timer where nothing will ever be due", async () => {
    const tick = new Tick();
    tick.by({ tick: () => Infinity }, performance.now() + 5);
    await vi.advanceTimersByTimeAsync(10);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("goes on where a member lets go of itself, or of another, or brings a new one, while it looks", async () => {
    const tick = new Tick();
    const now = performance.now();
    const late = new Watch(10);
    const gone = new Watch(10);
    let looks = 0;
    const first: Ticking = {
      tick: () => {
        looks++;
        tick.letGo(first);
        tick.letGo(gone);
        tick.by(late, performance.now() + 10);
        return Infinity;
      },
    };
    for (const member of [first, gone]) tick.by(member, now + 10);
    await vi.advanceTimersByTimeAsync(50);
    expect([looks, gone.at.length]).toEqual([1, 0]);
    expect(late.at.length).toBeGreaterThanOrEqual(3);
    tick.letGo(late);
  });

  test("is the coarser the more it looks after", async () => {
    const tick = new Tick();
    let looks = 0;
    const members = Array.from({ length: 10_000 }, (): Ticking => ({ tick: (now) => (looks++, now) }));
    for (const member of members) tick.by(member, performance.now());
    await vi.advanceTimersByTimeAsync(1000);
    expect(looks / members.length).toBeGreaterThanOrEqual(9);
    expect(looks / members.length).toBeLessThanOrEqual(12);
    for (const member of members) tick.letGo(member);
  });
});

describe("a hub's connections", () => {
  const COUNT = 500;

  async function crowd(hub: Hub, options: object): Promise<Visit[]> {
    const clients = await Promise.all(Array.from({ length: COUNT }, () => visit(hub.channel("c"), { options })));
    for (const client of clients) await client.until("live");
    return clients;
  }

  function aHub(): Hub {
    const hub = createHub({ linger: 0, pollInterval: 10_000_000 });
    hubs.push(hub);
    return hub;
  }

  test("share one timer, which is gone when they are", async () => {
    const hub = aHub();
    const reader = hub.channel("c").read("tail");
    await reader.next();
    const before = vi.getTimerCount(); // the hub's poll
    const options = { keepAlive: 1000, writeDeadline: 5000, maxAge: 60_000 };
    const clients = await crowd(hub, options);
    expect(vi.getTimerCount()).toBe(before + 1);
    for (const client of clients) await client.leave();
    expect(vi.getTimerCount()).toBe(before);
    await reader.return?.();
  });

  test("are each kept alive, when they have been silent for so long", async () => {
    const hub = aHub();
    const clients = await crowd(hub, { keepAlive: 1000 });
    const wait = clients.map((client) => client.read());
    await vi.advanceTimersByTimeAsync(900);
    await hub.channel("c").publish({ data: "x" });
    expect((await Promise.all(wait)).every((text) => text?.endsWith("data: x\n\n"))).toBe(true);
    const comments = clients.map((client) => client.read());
    let count = 0;
    for (const comment of comments) void comment.then((text) => (count += Number(text === ":\n")));
    await vi.advanceTimersByTimeAsync(990);
    expect(count).toBe(0);
    await vi.advanceTimersByTimeAsync(20);
    expect(count).toBe(COUNT);
    for (const client of clients) await client.leave();
  });

  test("are each cut off when they take nothing; and those that read are not", async () => {
    const hub = aHub();
    const clients = await crowd(hub, { keepAlive: 4000, writeDeadline: 5000 });
    const reading = clients.filter((_, i) => i % 2 === 0);
    for (const client of reading) void client.rest();
    await hub.channel("c").publish({ data: "x" });
    await vi.advanceTimersByTimeAsync(4990);
    expect(hub.stats().closed).toEqual({});
    await vi.advanceTimersByTimeAsync(50);
    expect(hub.stats().closed).toEqual({ "write-deadline": COUNT / 2 });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(hub.stats()).toMatchObject({ connections: COUNT / 2, closed: { "write-deadline": COUNT / 2 } });
    for (const client of reading) expect(client.connection?.reason).toBe(undefined);
    await hub.close();
  });

  test("reach their age within the last tenth of it, apart", async () => {
    const hub = aHub();
    const clients = await crowd(hub, { maxAge: 10_000, keepAlive: 1000 });
    const endedAt: number[] = [];
    const startedAt = performance.now();
    for (const client of clients) {
      void client.rest();
      void client.connection?.closed.then(() => endedAt.push(performance.now() - startedAt));
    }
    await vi.advanceTimersByTimeAsync(10_010);
    expect(endedAt).toHaveLength(COUNT);
    expect(Math.min(...endedAt)).toBeGreaterThanOrEqual(8_990);
    const slots = Array.from({ length: 11 }, (_, i) => endedAt.filter((at) => Math.floor(at / 100) === 89 + i).length);
    expect(Math.max(...slots)).toBeLessThan(COUNT / 5);
    expect(hub.stats().closed).toEqual({ "max-age": COUNT });
  });
});
