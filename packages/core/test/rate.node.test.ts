import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createHub, memoryStore } from "../src/index.ts";
import type { Hub, SluiceError } from "../src/index.ts";
import { PublishRate } from "../src/rate.ts";

beforeEach(() => void vi.useFakeTimers());
const hubs: Hub[] = [];
afterEach(async () => {
  for (const hub of hubs.splice(0)) await hub.close();
  vi.useRealTimers();
});

function setUp(maxPublishRate: number): Hub {
  const hub = createHub({ maxPublishRate });
  hubs.push(hub);
  return hub;
}

test("a second's worth may come at once, and no more; then the rest, as time passes", async () => {
  const channel = setUp(10).channel("c");
  for (let i = 0; i < 10; i++) await channel.publish({ data: "x" });
  const refused = (await channel.publish({ data: "x" }).catch((error: unknown) => error)) as SluiceError;
  expect(refused).toMatchObject({ code: "rate-limited", option: "maxPublishRate", retryAfter: 100 });
  expect(refused.message).toContain("publish again in 100 ms");
  vi.advanceTimersByTime(99);
  await expect(channel.publish({ data: "x" })).rejects.toMatchObject({ retryAfter: 1 });
  vi.advanceTimersByTime(1);
  await channel.publish({ data: "x" });
  await expect(channel.publish({ data: "x" })).rejects.toMatchObject({ code: "rate-limited" });
  vi.advanceTimersByTime(1000);
  await channel.publish(Array.from({ length: 10 }, () => ({ data: "x" })));
});

test("retryAfter is when it will do, and what is refused uses nothing up", async () => {
  const channel = setUp(7).channel("c");
  await channel.publish(Array.from({ length: 5 }, () => ({ data: "x" })));
  const six = Array.from({ length: 6 }, () => ({ data: "x" }));
  for (let tries = 0; tries < 20; tries++) await expect(channel.publish(six)).rejects.toThrow();
  const { retryAfter } = (await channel.publish(six).catch((error: unknown) => error)) as SluiceError;
  expect(retryAfter).toBe(Math.ceil(4000 / 7));
  vi.advanceTimersByTime(retryAfter ?? 0);
  await channel.publish(six);
});

test("each channel has its own, and closing one is no event", async () => {
  const hub = setUp(1);
  await hub.channel("a").publish({ data: "x" });
  await hub.channel("b").publish({ data: "x" });
  await expect(hub.channel("a").publish({ data: "x" })).rejects.toMatchObject({ code: "rate-limited" });
  await hub.channel("a").close();
});

test("more at once than a second's worth can never be, and is refused as such", async () => {
  const channel = setUp(3).channel("c");
  const four = Array.from({ length: 4 }, () => ({ data: "x" }));
  await expect(channel.publish(four)).rejects.toMatchObject({ code: "too-large", option: "maxPublishRate" });
  await channel.publish(four.slice(1));
});

test("nothing of a publish that is refused is stored", async () => {
  const store = memoryStore();
  const hub = createHub({ maxPublishRate: 2, store });
  hubs.push(hub);
  const channel = hub.channel("c");
  await channel.publish({ data: "1" });
  await expect(channel.publish([{ data: "2" }, { data: "3" }])).rejects.toMatchObject({ code: "rate-limited" });
  expect((await store.read("c", "start")).events.map(({ data }) => data)).toEqual(["1"]);
  expect(hub.stats().published).toBe(1);
  await store.close();
});

test("without the option any number goes through", async () => {
  const hub = createHub();
  hubs.push(hub);
  for (let i = 0; i < 2000; i++) await hub.channel("c").publish({ data: "x" });
  expect(hub.stats().published).toBe(2000);
});

test("over any second there are never more than two seconds' worth, and on average one", () => {
  const rate = new PublishRate(20);
  const taken: number[] = [];
  for (let ms = 0; ms < 60_000; ms += 7) {
    try {
      rate.take("c", 1);
      taken.push(ms);
    } catch {}
    vi.advanceTimersByTime(7);
  }
  for (const from of taken) {
    expect(taken.filter((ms) => ms >= from && ms < from + 1000).length).toBeLessThanOrEqual(40);
  }
  expect(taken.length).toBeGreaterThan(60 * 20 * 0.97);
  expect(taken.length).toBeLessThanOrEqual(61 * 20);
});

test("channels that are used no more are forgotten", () => {
  const rate = new PublishRate(5);
  const seen = vi.spyOn(Map.prototype, "delete");
  for (let i = 0; i < 1000; i++) rate.take(`c${i}`, 1);
  seen.mockClear();
  vi.advanceTimersByTime(1000);
  rate.take("another", 1);
  expect(seen.mock.calls.filter(([name]) => /^c\d+$/.test(String(name)))).toHaveLength(1000);
  seen.mockRestore();
});
