import { afterEach, describe, expect, test, vi } from "vitest";
import { createHub, memoryStore } from "../src/index.ts";
import type { ChannelItem, Hub, HubOptions } from "../src/index.ts";
import { settled, visit } from "./visit.ts";

const hubs: Hub[] = [];
afterEach(async () => {
  for (const hub of hubs.splice(0)) await hub.close();
  vi.useRealTimers();
});

function setUp(options: HubOptions = {}): Hub {
  const hub = createHub({ onError: () => {}, ...options });
  hubs.push(hub);
  return hub;
}

/** Publishes `a1 b1 a2 …`, each to the channel of its letter. */
async function publish(hub: Hub, events: string): Promise<void> {
  for (const data of events.split(" ")) await hub.channel(data.charAt(0)).publish({ data });
}

/** What came of one channel. */
const of = (told: readonly string[], channel: string): string[] => told.filter((data) => data.startsWith(channel));

/** Both hold the same events, each channel's in its order. */
function expectSame(told: readonly string[], wanted: string): void {
  const all = wanted.split(" ").filter(Boolean);
  expect(told.toSorted()).toEqual(all.toSorted());
  for (const channel of new Set(all.map((data) => data.charAt(0)))) expect(of(told, channel)).toEqual(of(all, channel));
}

test("several channels are one stream: live when all are, and then what is new of each", async () => {
  const hub = setUp();
  await publish(hub, "a1 b1 a2 b2 a3");
  const client = await visit(hub.channels(["a", "b", "c"]));
  const told = await client.until("live");
  expect(told.at(-1)).toBe("live");
  expectSame(told.slice(0, -1), "a1 a2 a3 b1 b2");
  await publish(hub, "c1");
  await client.until("c1");
  await publish(hub, "a4");
  await client.until("a4");
  expect(client.told.slice(6)).toEqual(["c1", "a4"]);
  expect(client.told.filter((data) => data === "live")).toHaveLength(1);
  expect(client.lastEventId).toBe(await hub.channels(["a", "b", "c"]).position());
  await client.leave();
});

test("a resume is exact at every event, from the run and from the store, whatever the order of the names", async () => {
  const events = "a1 b1 a2 c1 b2 b3 a3 c2";
  for (const runBytes of [1, 1000, 1_000_000]) {
    const hub = setUp({ runBytes });
    await publish(hub, events);
    const first = await visit(hub.channels(["a", "b", "c"]), { options: { maxWriteBytes: 100 } });
    await first.until("live");
    await publish(hub, "b4 a4");
    await first.until("a4");
    await first.until("b4");
    for (const [i, { id }] of first.events.entries()) {
      const had = first.told.slice(0, i + 1).filter((data) => data !== "live");
      const again = await visit(hub.channels(["c", "b", "a"]), { lastEventId: id });
      expect(again.response.headers.get("Sluice-Resume")).toBe("resumed");
      const told = (await again.until("live")).slice(0, -1);
      expectSame([...had, ...told], `${events} b4 a4`);
      await again.leave();
    }
    await first.leave();
  }
});

test("a gap says of which of the channels it is, and not its name", async () => {
  const hub = setUp({ store: memoryStore({ retention: { maxEvents: 1 } }) });
  await publish(hub, "a1 b1");
  const cursor = await hub.channels(["a", "b"]).position();
  await publish(hub, "b2 b3");
  const client = await visit(hub.channels(["a", "b"]), { lastEventId: cursor });
  await client.until("live");
  expect(client.events.map(({ data }) => data)).toEqual(['{"reason":"truncated","index":1}', "b3", "{}"]);
  await client.leave();
});

test("a position of several channels is a place to start at, also for one connection after another", async () => {
  const hub = setUp();
  await publish(hub, "a1 b1");
  const start = await hub.channels(["a", "b"]).position();
  await publish(hub, "a2 b2");
  const client = await visit(hub.channels(["a", "b"]), { options: { start } });
  expectSame((await client.until("live")).slice(0, -1), "a2 b2");
  await client.leave();
});

test("a cursor of twenty channels is no longer than what is taken back, and authorize sees it", async () => {
  const hub = setUp();
  const names = Array.from({ length: 20 }, (_, i) => `c${i}`);
  for (const name of names) await hub.channel(name).publish({ data: name });
  const cursor = await hub.channels(names).position();
  const client = await visit(hub.channels(names), { lastEventId: cursor });
  expect(cursor.length).toBeGreaterThan(256);
  expect(client.connection?.lastEventId).toBe(cursor);
  expect(await client.until("live")).toEqual(["live"]);
  await client.leave();
});

describe("a client that comes back to other channels than it left", () => {
  test("goes on with those that stayed, and begins with those that are new", async () => {
    const hub = setUp();
    await publish(hub, "a1 b1 c1");
    const first = await visit(hub.channels(["a", "b"]));
    await first.until("live");
    await first.leave();
    await publish(hub, "a2 b2 c2");
    const { lastEventId } = first;
    const cases: [names: string[], start: "start" | "tail" | { last: 1 }, told: string][] = [
      [["a"], "start", "a2"],
      [["b", "c"], "start", "b2 c1 c2"],
      [["b", "c"], "tail", "b2"],
      [["c", "a", "b"], { last: 1 }, "a2 b2 c2"],
      [["c"], "start", "c1 c2"],
    ];
    for (const [names, start, told] of cases) {
      const again = await visit(hub.channels(names), { lastEventId, options: { start } });
      expectSame((await again.until("live")).slice(0, -1), told);
      await again.leave();
    }
  });

  test("of many more", async () => {
    const hub = setUp();
    const names = Array.from({ length: 64 }, (_, i) => `channel ${i}`);
    for (const name of names) await hub.channel(name).publish({ data: name });
    const first = await visit(hub.channels(names));
    await first.until("live");
    expect(first.events).toHaveLength(65);
    await first.leave();
    for (const { length } of [names, names.slice(0, 10), names.slice(0, 1)]) {
      const again = await visit(hub.channels(names.slice(0, length)), { lastEventId: first.lastEventId });
      expect(await again.until("live")).toEqual(["live"]);
      await again.leave();
    }
  });
});

describe("a cursor that is none", () => {
  test.each([
    ["garbage", "garbage"],
    ["of a single channel", "abc.a1aaaa"],
    ["with a key twice", "aaaaa:origin,aaaaa:origin"],
    ["with a position that is none", "aaaaa:tail"],
    ["with too much at its end", "aaaaa:origin,"],
    ["far too long", "aaaaa:origin,".repeat(10_000)],
    ["with control characters", "aaaaa:\u0001"],
  ])("%s: all begin anew, behind a gap each, and nothing of it is told", async (_, lastEventId) => {
    const hub = setUp();
    await publish(hub, "a1 b1");
    const url = `http://localhost/?lastEventId=${encodeURIComponent(lastEventId)}`;
    const client = await visit(hub.channels(["a", "b"]), { url, options: { start: "tail" } });
    expect(client.response.headers.get("Sluice-Resume")).toBe("gap");
    expectSame((await client.until("live")).slice(0, -1), "gap:unknown gap:unknown a1 b1");
    expect(client.text).not.toContain("aaaaa");
    await client.leave();
  });

  test("but is one, of other channels: all begin where they are told to", async () => {
    const hub = setUp();
    await publish(hub, "a1 b1");
    const client = await visit(hub.channels(["a", "b"]), { lastEventId: "aaaaa:origin,bbbbb:a.a1aaaa" });
    expectSame((await client.until("live")).slice(0, -1), "a1 b1");
    await client.leave();
  });

  test("a single channel takes no cursor of several", async () => {
    const hub = setUp();
    await publish(hub, "a1");
    const position = await hub.channels(["a", "b"]).position();
    const client = await visit(hub.channel("a"), { lastEventId: position });
    expect(await client.until("live")).toEqual(["gap:unknown", "a1", "live"]);
    await client.leave();
  });
});

test("a gap in one channel is told, and the others go on without", async () => {
  const store = memoryStore({ retention: { maxEvents: 2 } });
  const hub = setUp({ store, runBytes: 1 });
  await publish(hub, "a1 b1");
  const first = await visit(hub.channels(["a", "b"]));
  await first.until("live");
  await first.leave();
  await publish(hub, "a2 a3 a4 b2");
  const truncated = await visit(hub.channels(["a", "b"]), { lastEventId: first.lastEventId });
  expect(truncated.response.headers.get("Sluice-Resume")).toBe("gap");
  expectSame((await truncated.until("live")).slice(0, -1), "gap:truncated a3 a4 b2");
  await store.drop("b");
  await publish(hub, "b7");
  await truncated.until("b7");
  expect(truncated.told.slice(5)).toEqual(["gap:reset", "b7"]);
  await truncated.leave();
});

test("who drops between the first event and the gap of another channel is told of the gap when it comes back", async () => {
  const store = memoryStore({ retention: { maxEvents: 1 } });
  const hub = setUp({ store });
  const group = hub.channels(["a", "b", "c"]);
  await publish(hub, "a1 b1 c1");
  const position = await group.position();
  await publish(hub, "a2 b2 b3");
  await store.drop("c");
  await publish(hub, "c9");
  const wanted = ["a2", "gap:truncated", "b3", "gap:reset", "c9"];
  const first = await visit(group, { lastEventId: position });
  expect((await first.until("live")).slice(0, -1)).toEqual(wanted);
  for (const [i, { id }] of first.events.slice(0, -1).entries()) {
    const again = await visit(group, { lastEventId: id });
    expect((await again.until("live")).slice(0, -1)).toEqual(wanted.slice(i + 1));
    await again.leave();
  }
  await first.leave();
});

describe("closed channels", () => {
  test("do not keep the others from being live, nor end them", async () => {
    const hub = setUp();
    await publish(hub, "a1 b1");
    await hub.channel("b").close();
    const client = await visit(hub.channels(["a", "b"]));
    const told = await client.until("live");
    expectSame(told.slice(0, -1), "a1 b1");
    await publish(hub, "a2");
    await client.until("a2");
    await hub.channel("a").close();
    expect((await client.rest()).slice(-2)).toEqual(["a2", "end"]);
    expect(client.lastEventId).toBe("sluice.end");
    const again = await visit(hub.channels(["a", "b"]), { lastEventId: client.lastEventId });
    expect(again.response.status).toBe(204);
  });

  test("all of them: the end, and no live", async () => {
    const hub = setUp();
    await publish(hub, "a1 b1");
    for (const name of ["a", "b"]) await hub.channel(name).close();
    const client = await visit(hub.channels(["a", "b"]));
    expectSame(await client.rest(), "a1 b1 end");
    expect(client.told.at(-1)).toBe("end");
  });

  test("while the others stay: a resume goes on", async () => {
    const hub = setUp();
    await publish(hub, "a1 b1");
    await hub.channel("b").close();
    const client = await visit(hub.channels(["a", "b"]));
    await client.until("live");
    await client.leave();
    await publish(hub, "a2");
    const again = await visit(hub.channels(["a", "b"]), { lastEventId: client.lastEventId });
    expect(await again.until("live")).toEqual(["a2", "live"]);
    await again.leave();
  });
});

test("a filter hides events of each, and moves the one cursor on", async () => {
  vi.useFakeTimers();
  const hub = setUp();
  const group = hub.channels(["a", "b"]);
  await publish(hub, "a1 b1! a2! b2");
  const options = { filter: ({ data }: { data: string }): boolean => !data.endsWith("!"), keepAlive: 1000 };
  const client = await visit(group, { options });
  expectSame((await client.until("live")).slice(0, -1), "a1 b2");
  expect(client.lastEventId).toBe(await group.position());
  await publish(hub, "b3! a3!");
  const reading = client.read();
  await vi.advanceTimersByTimeAsync(1000);
  expect(await reading).toBe(`id: ${await group.position()}\nevent: sluice.live\ndata: {}\n\n`);
  await client.leave();
});

test("the filter is shown the channel of an event, and the id that it has there", async () => {
  const hub = setUp();
  await publish(hub, "a1 b1");
  const shown: [channel: string, id: string][] = [];
  const filter = ({ channel, id }: { channel: string; id: string }): boolean => shown.push([channel, id]) > 0;
  const client = await visit(hub.channels(["a", "b"]), { options: { filter } });
  await client.until("live");
  expect(shown).toEqual([
    ["a", await hub.channel("a").position()],
    ["b", await hub.channel("b").position()],
  ]);
  await client.leave();
});

describe("start", () => {
  test.each([
    ["tail", ""],
    ["start", "a1 a2 a3 b1 b2"],
    [{ last: 1 }, "a3 b2"],
    ["origin", "a1 a2 a3 b1 b2"],
  ] as const)("%j, in each of the channels", async (start, told) => {
    const hub = setUp();
    await publish(hub, "a1 b1 a2 a3 b2");
    const client = await visit(hub.channels(["a", "b"]), { options: { start } });
    expect(client.response.headers.get("Sluice-Resume")).toBe("fresh");
    expectSame((await client.until("live")).slice(0, -1), told);
    await client.leave();
  });
});

test("a group and each of its channels tell the same bytes, but for the id", async () => {
  const hub = setUp();
  await hub.channel("a").publish({ event: "n", data: "one\ntwo" });
  const single = await visit(hub.channel("a"));
  const group = await visit(hub.channels(["a"]));
  await single.until("live");
  await group.until("live");
  expect(group.text.replace(/^id: .*$/gm, "")).toBe(single.text.replace(/^id: .*$/gm, ""));
  await single.leave();
  await group.leave();
});

describe("read, in the process", () => {
  const short = (item: ChannelItem): string =>
    item.type === "event" ? item.data : item.type === "gap" ? `gap:${item.reason}` : item.type;

  test("gives the items of all, with the cursor of all, from which another goes on", async () => {
    const hub = setUp();
    const group = hub.channels(["a", "b"]);
    await publish(hub, "a1 b1 a2");
    const items: ChannelItem[] = [];
    for await (const item of group.read("start")) {
      items.push(item);
      if (item.type === "live") break;
    }
    expectSame(items.map(short), "a1 a2 b1 live");
    expect(items.map((item) => item.type === "event" && item.channel)).toEqual(
      items.map((item) => item.type === "event" && item.data.charAt(0)),
    );
    const [first] = items as [ChannelItem & { id: string }];
    const rest: string[] = [];
    for await (const item of group.read(first.id)) if (rest.push(short(item)) === 3) break;
    expectSame([short(first), ...rest], "a1 a2 b1 live");
  });

  test("from the cursor of fewer channels goes on with those, and with what is new of the others", async () => {
    const hub = setUp();
    await publish(hub, "a1 b1");
    const position = await hub.channels(["a"]).position();
    await publish(hub, "a2 b2");
    const told: string[] = [];
    for await (const item of hub.channels(["a", "b"]).read(position)) {
      told.push(short(item));
      if (item.type === "live") await publish(hub, "b3");
      if (told.at(-1) === "b3") break;
    }
    expect(told).toEqual(["a2", "live", "b3"]);
  });

  test("is live beside closed channels, and ends when all have", async () => {
    const hub = setUp();
    await publish(hub, "a1");
    await hub.channel("b").close();
    const told: string[] = [];
    for await (const item of hub.channels(["a", "b"]).read("start")) {
      told.push(short(item));
      if (item.type === "live") await hub.channel("a").close();
    }
    expect(told).toEqual(["a1", "live", "end"]);
  });

  test("lets go of all of them when it is left, and when its signal aborts", async () => {
    vi.useFakeTimers();
    const hub = setUp({ linger: 0 });
    const leaving = new AbortController();
    const reading = hub.channels(["a", "b"]).read("start", { signal: leaving.signal });
    await reading.next();
    expect(hub.stats().channels).toBe(2);
    const waiting = reading.next();
    leaving.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    await vi.advanceTimersByTimeAsync(1);
    expect(hub.stats().channels).toBe(0);
  });
});

test("names are 1 to 64, each once", () => {
  const hub = setUp();
  for (const names of [
    [],
    ["a", "a"],
    [""],
    "ab",
    undefined,
    [undefined],
    Array.from({ length: 65 }, (_, i) => `${i}`),
  ]) {
    expect(() => hub.channels(names as string[])).toThrow(expect.objectContaining({ code: "invalid-option" }) as Error);
  }
  const names = ["a", "b"];
  const group = hub.channels(names);
  names.push("c");
  expect(group.names).toEqual(["a", "b"]);
});

test("under a policy, each channel skips for itself", async () => {
  const hub = setUp();
  const client = await visit(hub.channels(["a", "b"]), { options: { whenBehind: "skip", maxLag: 2 } });
  await client.stall(hub.channel("a"));
  await publish(hub, "a1 a2 a3 a4 b1 b2");
  await client.until("b2");
  await client.until("a4");
  expectSame(client.news, "gap:skipped a4 b1 b2");
  await client.leave();
  const strict = await visit(hub.channels(["a", "b"]), { options: { whenBehind: "disconnect", maxLag: 2 } });
  await strict.stall(hub.channel("b"));
  for (const data of ["a5", "a6", "a7"]) {
    await publish(hub, data);
    await settled();
  }
  expect(strict.connection?.reason).toBe("behind");
});

test("names that hash alike have keys of their own", async () => {
  const hub = setUp();
  // Two of some 20,000 names share their 25 bits.
  const seen = new Map<string, string>();
  let pair: string[] = [];
  for (let i = 0; pair.length === 0; i++) {
    const name = `n${i}`;
    const [key = ""] = (await hub.channels([name]).position()).split(":");
    const other = seen.get(key);
    if (other !== undefined) pair = [other, name];
    seen.set(key, name);
  }
  const [one = "", two = ""] = pair;
  await hub.channel(one).publish({ data: "one" });
  const first = await visit(hub.channels(pair));
  await first.until("live");
  await first.leave();
  await hub.channel(two).publish({ data: "two" });
  const again = await visit(hub.channels(pair), { lastEventId: first.lastEventId });
  expect(await again.until("live")).toEqual(["two", "live"]);
  await again.leave();
});
