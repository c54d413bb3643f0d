import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createHub, eventStream, memoryStore, parseEventId } from "../src/index.ts";
import type { ChannelItem, Slice, SluiceError } from "../src/index.ts";

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

  test("a client that comes back to a channel that was closed, and has expired, gets a gap and the end", async () => {
    const store = memoryStore({ maxIdle: 10_000 });
    const hub = createHub({ store, linger: 0 });
    const job = hub.channel("job");
    const first = await job.publish({ data: "1" });
    const last = await job.publish([{ data: "2" }, { data: "3" }]);
    await job.close();
    await vi.advanceTimersByTimeAsync(30_000);
    const itemsFrom = async (from: string): Promise<ChannelItem[]> => {
      const items: ChannelItem[] = [];
      for await (const item of job.read(from)) items.push(item);
      return items;
    };
    const end = { type: "end" };
    const gap = { type: "gap", reason: "truncated", id: last, channel: "job" };
    expect(await itemsFrom(first)).toEqual([gap, end]);
    expect(await itemsFrom("origin")).toEqual([gap, end]);
    for (const from of [last, "start", "tail"]) expect(await itemsFrom(from)).toEqual([end]);
    expect(await itemsFrom("e1.a1aaaa")).toEqual([{ ...gap, reason: "reset" }, end]);
    expect(await job.position()).toBe(last);
    await expect(job.publish({ data: "4" })).rejects.toMatchObject({ code: "closed" });
    await job.close();
    const request = new Request("http://localhost/", { headers: { "Last-Event-ID": first } });
    const response = await eventStream(job, { keepAlive: false })(request);
    expect(await response.text()).toMatch(
      /event: sluice\.gap\ndata: .*truncated.*\n\nid: sluice\.end\nevent: sluice\.end/s,
    );
    await store.drop("job");
    expect(await job.publish({ data: "anew" })).toMatch(/\.a1....$/);
    await hub.close();
    await store.close();
  });

  test("of closed channels that have expired the newest maxClosed are remembered", async () => {
    const store = memoryStore({ maxIdle: 1000, maxClosed: 10 });
    const channels = Array.from({ length: 15 }, (_, i) => `c${i}`);
    const tails: string[] = [];
    for (const channel of channels) {
      tails.push((await store.append(channel, events(1), { close: true })).tail);
      await store.append(`${channel} open`, events(1));
    }
    await vi.advanceTimersByTimeAsync(5000);
    expect(await store.tails(channels)).toEqual(tails.map((tail, i) => (i < 5 ? "origin" : tail)));
    expect(await store.tails(channels.map((channel) => `${channel} open`))).toEqual(channels.map(() => "origin"));
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

test("the id of a producer is bounded, and names the option", async () => {
  const store = memoryStore();
  const append = (id: string): Promise<unknown> => store.append("c", events(1), { producer: { id, epoch: 0, seq: 0 } });
  await append("p".repeat(256));
  for (const length of [257, 1_000_000]) {
    const failure = (await append("p".repeat(length)).catch((error: unknown) => error)) as SluiceError;
    expect(failure).toMatchObject({ code: "too-large", option: "producer" });
    expect(failure.message).toContain(`has ${length} characters`);
    expect(failure.message.length).toBeLessThan(200);
  }
  expect(datas(await store.read("c", "start"))).toEqual(["0"]);
});

test("tags differ from append to append, over many blocks of random bytes", async () => {
  const store = memoryStore({ retention: { maxEvents: 5000 } });
  for (let i = 0; i < 5000; i++) await store.append("c", events(1));
  const tags = new Set<string>();
  const letters = new Set<string>();
  for (let cursor = "start", isOver = false; !isOver;) {
    const slice = await store.read("c", cursor);
    for (const { id } of slice.events) {
      const { tag } = parseEventId(id)!;
      tags.add(tag);
      for (const letter of tag) letters.add(letter);
    }
    cursor = slice.next;
    isOver = slice.upToDate;
  }
  // Of 5,000 in a million, some 12 come twice.
  expect(tags.size).toBeGreaterThan(4900);
  expect([...letters].toSorted().join("")).toBe("234567abcdefghijklmnopqrstuvwxyz");
});

test("a read of a channel that was never written draws nothing, and makes no log", async () => {
  const store = memoryStore();
  const drawn = vi.spyOn(crypto, "getRandomValues");
  for (const cursor of ["start", "tail", "origin"]) {
    expect(await store.read("never", cursor)).toEqual({
      from: "origin",
      events: [],
      next: "origin",
      upToDate: true,
      closed: false,
    });
  }
  expect((await store.read("never", "e1.a1aaaa")).gap).toBe("reset");
  expect((await store.read("never", "garbage")).gap).toBe("unknown");
  expect(drawn).not.toHaveBeenCalled();
  drawn.mockRestore();
});

test("options that make no sense are refused", () => {
  expect(() => memoryStore({ retention: { maxEvents: 0 } })).toThrow("maxEvents is 0");
  expect(() => memoryStore({ retention: { maxevents: 1 } as object })).toThrow("did you mean maxEvents?");
  expect(() => memoryStore({ maxChannels: -1 })).toThrow("maxChannels is -1");
});
