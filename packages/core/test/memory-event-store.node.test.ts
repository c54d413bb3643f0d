import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { memoryStore, parseEventId } from "../src/index.ts";
import type { Slice, SluiceError } from "../src/index.ts";

const events = (count: number, from = 0): { data: string }[] =>
  Array.from({ length: count }, (_, i) => ({ data: String(from + i) }));
const datas = (slice: Slice): string[] => slice.events.map(({ data }) => data);

test("a read is a contiguous run, in bounds, and says where to go on", async () => {
  const store = memoryStore();
  await store.append("c", events(5));
  const first = await store.read("c", "origin", { limit: 2 });
  expect([datas(first), first.from, first.upToDate]).toEqual([["0", "1"], "origin", false]);
  const rest = await store.read("c", first.next);
  expect([datas(rest), rest.from, rest.upToDate]).toEqual([["2", "3", "4"], first.next, true]);
  expect(await store.read("c", rest.next)).toEqual({
    from: rest.next,
    events: [],
    next: rest.next,
    upToDate: true,
    closed: false,
  });
  expect(datas(await store.read("c", "origin", { maxBytes: 1 }))).toEqual(["0"]);
  expect(rest.events.map(({ id }) => parseEventId(id)?.seq)).toEqual([3, 4, 5]);
});

test("retention keeps the newest, by number and by bytes; the boundary is a position, what is before it a gap", async () => {
  const store = memoryStore({ retention: { maxEvents: 3 } });
  await store.append("c", events(2));
  const early = (await store.read("c", "origin", { limit: 1 })).next;
  const boundary = (await store.read("c", early)).next;
  await store.append("c", events(3, 2));
  expect(await store.read("c", boundary)).not.toHaveProperty("gap");
  expect(datas(await store.read("c", boundary))).toEqual(["2", "3", "4"]);
  for (const cursor of [early, "origin"]) {
    const slice = await store.read("c", cursor);
    expect([slice.gap, slice.from, datas(slice)]).toEqual(["truncated", boundary, ["2", "3", "4"]]);
  }
  const small = memoryStore({ retention: { maxBytes: 200 } });
  await small.append("c", events(10));
  expect(datas(await small.read("c", "start"))).toEqual(["7", "8", "9"]);
});

describe("with time", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("what is too old goes, and no hole opens", async () => {
    const store = memoryStore({ retention: { maxAge: 1000 } });
    await store.append("c", events(2));
    vi.advanceTimersByTime(600);
    await store.append("c", events(1, 2));
    vi.advanceTimersByTime(600);
    const slice = await store.read("c", "origin");
    expect([slice.gap, datas(slice)]).toEqual(["truncated", ["2"]]);
    await store.close();
  });

  test("channels used once are dropped when they have been idle, the watched and the used are not", async () => {
    const store = memoryStore({ maxIdle: 10_000 });
    const watching = new AbortController();
    for (let i = 0; i < 100; i++) await store.append(`c${i}`, events(1));
    await store.watch("c7", () => {}, watching.signal);
    await vi.advanceTimersByTimeAsync(6_000);
    await store.append("c8", events(1));
    await vi.advanceTimersByTimeAsync(6_000);
    const tails = await store.tails(Array.from({ length: 100 }, (_, i) => `c${i}`));
    expect(tails.flatMap((tail, i) => (tail === "origin" ? [] : [i]))).toEqual([7, 8]);
    watching.abort();
    await vi.advanceTimersByTimeAsync(30_000);
    expect(await store.tails(["c7", "c8"])).toEqual(["origin", "origin"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a clock that steps changes nothing", async () => {
    const store = memoryStore({ retention: { maxAge: 1000 }, maxIdle: 2000 });
    await store.append("c", events(1));
    vi.setSystemTime(Date.now() + 3_600_000);
    await store.append("c", events(1, 1));
    vi.setSystemTime(Date.now() - 7_200_000);
    await store.append("c", events(1, 2));
    const slice = await store.read("c", "origin");
    expect([slice.gap, datas(slice)]).toEqual([undefined, ["0", "1", "2"]]);
    await store.close();
  });
});

test("a dropped channel begins anew: old cursors are told reset", async () => {
  const store = memoryStore();
  const { tail } = await store.append("c", events(3));
  await store.drop("c");
  expect(await store.read("c", tail)).toMatchObject({ gap: "reset", from: "origin", next: "origin", upToDate: true });
  await store.append("c", events(4));
  expect(await store.read("c", tail)).toMatchObject({ gap: "reset", events: { length: 4 } });
});

test("what cannot be appended leaves nothing behind", async () => {
  const store = memoryStore({ retention: { maxBytes: 100 }, maxChannels: 1 });
  const code = (append: Promise<unknown>): Promise<unknown> => append.catch((error: SluiceError) => error.code);
  expect(await code(store.append("c", [{ data: "ok" }, { data: "x".repeat(100) }]))).toBe("too-large");
  expect(await store.tails(["c"])).toEqual(["origin"]);
  await store.append("c", events(1), { close: true });
  expect(await code(store.append("c", events(1)))).toBe("closed");
  expect(await code(store.append("d", events(1)))).toBe("too-large");
  expect(await code(store.append("c", []))).toMatchObject({ duplicate: false });
  await store.close();
  expect(await code(store.append("c", []))).toBe("unavailable");
});

test("options that make no sense are refused", () => {
  expect(() => memoryStore({ retention: { maxEvents: 0 } })).toThrow("maxEvents is 0");
  expect(() => memoryStore({ retention: { maxevents: 1 } as object })).toThrow("did you mean maxEvents?");
  expect(() => memoryStore({ maxChannels: -1 })).toThrow("maxChannels is -1");
});
