import { afterEach, describe, expect, test, vi } from "vitest";
import { createHub, memoryStore } from "../src/index.ts";
import type { Connection, Hub, HubObserver, HubOptions } from "../src/index.ts";
import { settled, visit } from "./visit.ts";

const hubs: Hub[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const hub of hubs.splice(0)) await hub.close();
});

function setUp(options: HubOptions = {}): Hub {
  const hub = createHub({ onError: () => {}, ...options });
  hubs.push(hub);
  return hub;
}

const NAMES = ["opened", "closed", "refused", "published", "delivered", "replayed", "gap"] as const;

/** Notes all that it is told, in order. */
function noting(): { observer: HubObserver; notes: [name: string, told: Record<string, unknown>][] } {
  const notes: [string, Record<string, unknown>][] = [];
  const observer = Object.fromEntries(
    NAMES.map((name) => [name, (told: object): unknown => notes.push([name, { ...told }])]),
  );
  return { observer, notes };
}

describe("an observer", () => {
  test("is told of everything once, with its figures", async () => {
    const { observer, notes } = noting();
    const hub = setUp({ observer, maxConnections: 1 });
    const channel = hub.channel("c");
    await channel.publish([{ data: "0" }, { data: "1" }]);
    const client = await visit(channel);
    await client.until("live");
    const { connection } = client;
    const [replayed = "", live = ""] = client.text.slice(":\n".length).split(/(?<=data: 1\n\n)/);
    await channel.publish({ data: "2" });
    const before = client.text.length;
    await client.until("2");
    const bytes = client.text.length - before;
    const second = await visit(channel);
    await second.rest();
    await client.leave();
    // The store rings before it answers. Where the turn is over by then, the answer comes before the delivery.
    const publishedAt = notes.findIndex(([name, { events }]) => name === "published" && events === 1);
    expect([5, 6]).toContain(publishedAt);
    expect(notes.splice(publishedAt, 1)).toEqual([["published", { channel: "c", events: 1 }]]);
    expect(notes).toEqual([
      ["published", { channel: "c", events: 2 }],
      ["opened", { connection }],
      ["delivered", { connection, bytes: replayed.length, events: 2, lag: 0 }],
      ["replayed", { connection, bytes: replayed.length, events: 2, lag: 0 }],
      ["delivered", { connection, bytes: live.length, events: 0, lag: 0 }],
      ["delivered", { connection, bytes, events: 1, lag: 0 }],
      ["refused", { connection: second.connection, why: "maxConnections" }],
      ["closed", { connection, reason: "disconnected", age: expect.any(Number) as number }],
    ]);
    const [, closed] = notes.at(-1) as [string, { age: number }];
    expect(closed.age).toBeGreaterThan(0);
    expect(closed.age).toBeLessThan(30_000);
  });

  test("is told of each gap, with its channel and its reason", async () => {
    const { observer, notes } = noting();
    const store = memoryStore({ retention: { maxEvents: 1 } });
    const hub = setUp({ observer, store });
    for (const data of ["1", "2"]) await hub.channel("a").publish({ data });
    await hub.channel("b").publish({ data: "fails" });
    const filter = ({ data }: { data: string }): boolean => {
      if (data === "fails") throw new Error("no answer");
      return true;
    };
    const client = await visit(hub.channels(["a", "b"]), { options: { filter, start: "origin" } });
    await client.until("live");
    const { connection } = client;
    expect(notes.filter(([name]) => name === "gap")).toEqual([
      ["gap", { connection, channel: "a", reason: "truncated" }],
      ["gap", { connection, channel: "b", reason: "skipped" }],
    ]);
    expect(hub.stats().gaps).toBe(2);
    await client.leave();
  });

  test("is told how far a client is behind, as it is written to", async () => {
    const lags: number[] = [];
    const hub = setUp({ observer: { replayed: ({ lag }) => lags.push(lag) }, runBytes: 1 });
    const channel = hub.channel("c");
    for (let i = 0; i < 5; i++) await channel.publish({ data: "x".repeat(100) });
    const keepsTheRun = channel.read("tail");
    await keepsTheRun.next();
    const client = await visit(channel, { options: { start: "origin", maxWriteBytes: 200 } });
    await client.until("live");
    expect(lags).toEqual([4, 3, 2, 1, 0]);
    await client.leave();
    await keepsTheRun.return?.();
  });

  test("is told of what a function sends, and of its end", async () => {
    const { observer, notes } = noting();
    const hub = setUp({ observer });
    const client = await visit(() => [{ data: "one" }], { options: { hub, whenDone: "reconnect" } });
    await client.rest();
    const { connection } = client;
    expect(notes).toEqual([
      ["opened", { connection }],
      ["delivered", { connection, bytes: "data: one\n\n".length, events: 1, lag: 0 }],
      ["closed", { connection, reason: "finished", age: expect.any(Number) as number }],
    ]);
  });

  test("is not told of a publish that has not taken effect, nor twice of one that was retried", async () => {
    const { observer, notes } = noting();
    const hub = setUp({ observer });
    const channel = hub.channel("c");
    const producer = { id: "p", epoch: 0, seq: 0 };
    await channel.publish({ data: "1" }, { producer });
    await channel.publish({ data: "1" }, { producer });
    await expect(channel.publish({ data: "2" }, { ifTail: "origin" })).rejects.toThrow();
    await channel.close();
    await expect(channel.publish({ data: "3" })).rejects.toThrow();
    expect(notes).toEqual([["published", { channel: "c", events: 1 }]]);
    expect(hub.stats().published).toBe(1);
  });

  test("of no hub is told of no other's connections", async () => {
    const { observer, notes } = noting();
    const [hub, other] = [setUp({ observer }), setUp()];
    const client = await visit(other.channel("c"));
    await client.until("live");
    await client.leave();
    const own = await visit(() => [{ data: "x" }]);
    await own.rest();
    expect(notes).toEqual([]);
    expect(hub.stats().opened).toBe(0);
  });

  test("keeps its `this`", async () => {
    class Counting implements HubObserver {
      count = 0;
      opened(): void {
        this.count++;
      }
    }
    const observer = new Counting();
    const client = await visit(setUp({ observer }).channel("c"));
    await client.leave();
    expect(observer.count).toBe(1);
  });
});

test.each([
  [
    "throws",
    (): never => {
      throw new Error("of the observer");
    },
  ],
  ["rejects", (): Promise<never> => Promise.reject(new Error("of the observer"))],
])("an observer that %s harms nobody, and is heard of on the console", async (_, fails) => {
  const said = vi.spyOn(console, "error").mockImplementation(() => {});
  const observer = Object.fromEntries(NAMES.map((name) => [name, fails]));
  const hub = setUp({ observer, maxConnections: 2, store: memoryStore({ retention: { maxEvents: 1 } }) });
  const channel = hub.channel("c");
  await channel.publish([{ data: "0" }, { data: "1" }]);
  const [one, two] = [await visit(channel, { options: { start: "origin" } }), await visit(channel)];
  expect(await one.until("live")).toEqual(["gap:truncated", "1", "live"]);
  await two.until("live");
  await channel.publish({ data: "2" });
  expect((await one.until("2")).at(-1)).toBe("2");
  expect(await two.until("2")).toEqual(["1", "live", "2"]);
  expect(await (await visit(channel)).rest()).toEqual([]);
  await one.leave();
  await two.leave();
  expect(hub.stats()).toMatchObject({ connections: 0, opened: 2, refused: { maxConnections: 1 }, gaps: 1 });
  await settled();
  expect(said.mock.calls.length).toBeGreaterThanOrEqual(8);
  for (const [message] of said.mock.calls) expect(message).toBe("Sluice: a callback threw:");
});

test.each<[string, (hub: Hub, connection: Connection) => void]>([
  ["drains its hub at once", (hub) => void hub.drain({ within: 0 })],
  [
    "sends more than may wait",
    (_, { send }) => {
      for (let i = 0; i < 3; i++) void send({ data: "x".repeat(600_000) });
    },
  ],
])("an observer that %s when a connection is opened leaves no place taken", async (_, opened) => {
  const hub: Hub = setUp({ observer: { opened: ({ connection }) => opened(hub, connection) } });
  const client = await visit(hub.channel("c"), { options: { limitKey: () => "k", onError: () => {} } });
  await client.rest().catch(() => {});
  await client.connection?.closed;
  expect(hub.stats()).toMatchObject({ opened: 1, connections: 0 });
  await hub.drain({ within: 0 });
});

describe("stats", () => {
  test("begin with nothing", () => {
    expect(setUp().stats()).toEqual({
      connections: 0,
      full: 0,
      maxLag: 0,
      channels: 0,
      isDraining: false,
      opened: 0,
      closed: {},
      refused: {},
      published: 0,
      deliveredEvents: 0,
      deliveredBytes: 0,
      replayedEvents: 0,
      gaps: 0,
    });
  });

  test("are right after all that can happen, and agree with what clients got", async () => {
    const told = { bytes: 0, events: 0, replayed: 0 };
    const observer: HubObserver = {
      delivered: ({ bytes, events }) => {
        told.bytes += bytes;
        told.events += events;
      },
      replayed: ({ events }) => (told.replayed += events),
    };
    const hub = setUp({ observer, maxConnectionsPerKey: 1, runBytes: 1 });
    const channel = hub.channel("c");
    for (let i = 0; i < 4; i++) await channel.publish({ data: String(i) });
    const options = { limitKey: ({ url }: Connection): string => url.search };
    const healthy = await visit(channel, { url: "http://localhost/?healthy", options });
    await healthy.until("live");
    const stalled = await visit(channel, { url: "http://localhost/?stalled", options });
    await stalled.until("live");
    const skipping = await visit(channel, {
      url: "http://localhost/?skips",
      options: { ...options, whenBehind: "skip", maxLag: 2 },
    });
    await skipping.until("live");
    const cutOff = await visit(channel, {
      url: "http://localhost/?cut",
      options: { ...options, whenBehind: "disconnect", maxLag: 2 },
    });
    await cutOff.until("live");
    expect((await visit(channel, { url: "http://localhost/?cut", options })).response.status).toBe(429);
    const sender = await visit(() => [{ data: "sent" }], { options: { hub } });
    await sender.rest();
    const group = await visit(hub.channels(["c", "d"]), { url: "http://localhost/?group", options });
    await group.until("live");
    for (let i = 4; i < 9; i++) {
      await channel.publish({ data: String(i) });
      await healthy.until(String(i));
      await group.until(String(i));
    }
    expect(hub.stats()).toMatchObject({ connections: 4, maxLag: 5, channels: 2, opened: 6 });
    expect(hub.stats().full).toBeGreaterThanOrEqual(2);
    await skipping.until("8");
    await stalled.until("8");
    expect(hub.stats().maxLag).toBe(0);
    await group.leave();
    const drained = hub.drain({ within: 20 });
    await Promise.all([healthy, stalled, skipping].map((client) => client.rest()));
    await drained;
    const clients = [healthy, stalled, skipping, cutOff, group];
    const deliveredEvents = 9 + 9 + (4 + 1) + 4 + 9 + 1;
    expect(clients.flatMap(({ told: all }) => all.filter((data) => /^\d$/.test(data))).length + 1).toBe(
      deliveredEvents,
    );
    expect(hub.stats()).toEqual({
      connections: 0,
      full: 0,
      maxLag: 0,
      channels: 2,
      isDraining: true,
      opened: 6,
      closed: { drained: 3, behind: 1, disconnected: 1, finished: 1 },
      refused: { maxConnectionsPerKey: 1 },
      published: 9,
      deliveredEvents,
      deliveredBytes: told.bytes,
      replayedEvents: told.replayed,
      gaps: 1,
    });
    expect(told.events).toBe(deliveredEvents);
    const comments = ":\n".length;
    const received = clients.reduce((bytes, { text }) => bytes + text.length - comments, 0);
    expect(told.bytes).toBe(received + "data: sent\n\n".length);
  });

  test("are a copy: what is done to them changes nothing", () => {
    const hub = setUp();
    Object.assign(hub.stats().closed, { behind: 99 });
    expect(hub.stats().closed).toEqual({});
  });
});

test("an observer with a member that there is none of is refused", () => {
  const observer = { open: () => {} } as HubObserver;
  expect(() => createHub({ observer })).toThrow(expect.objectContaining({ code: "invalid-option", option: "open" }));
});
