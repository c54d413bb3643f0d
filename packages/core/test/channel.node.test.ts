import { afterEach, describe, expect, test, vi } from "vitest";
import { createDecoder, createHub, EventDecoderStream, eventStream, memoryStore, SluiceError } from "../src/index.ts";
import type {
  Channel,
  ChannelItem,
  DecodedEvent,
  EventStore,
  EventStreamOptions,
  FetchNative,
  Hub,
  HubOptions,
  Source,
  StoredEvent,
} from "../src/index.ts";

const hubs: Hub[] = [];
afterEach(async () => {
  for (const hub of hubs.splice(0)) await hub.close();
});

function setUp(options: HubOptions = {}): { hub: Hub; channel: Channel } {
  const hub = createHub({ onError: () => {}, ...options });
  hubs.push(hub);
  return { hub, channel: hub.channel("c") };
}

const numbers = (count: number, from = 0): { data: string }[] =>
  Array.from({ length: count }, (_, i) => ({ data: String(from + i) }));

/** Reads until `until` says so, and answers all that came, in short: "3", "gap:reset", "live", "end". */
async function take(
  items: AsyncIterable<ChannelItem>,
  until: (short: string, all: string[]) => boolean,
): Promise<string[]> {
  const all: string[] = [];
  for await (const item of items) {
    const short = item.type === "event" ? item.data : item.type === "gap" ? `gap:${item.reason}` : item.type;
    all.push(short);
    if (short === "end" || until(short, all)) break;
  }
  return all;
}

/** A client of a fetch handler. */
async function connect(
  source: Source<FetchNative>,
  { lastEventId, options = {} }: { lastEventId?: string; options?: EventStreamOptions<FetchNative> } = {},
): Promise<{ response: Response; until(data: string): Promise<DecodedEvent[]>; leave(): Promise<void> }> {
  const headers = lastEventId === undefined ? undefined : { "Last-Event-ID": lastEventId };
  const request = new Request("http://localhost/", headers === undefined ? {} : { headers });
  const response = await eventStream(source, { keepAlive: false, ...options })(request);
  const reader = response.body?.getReader();
  const events: DecodedEvent[] = [];
  const decoder = createDecoder({ onEvent: (event) => events.push(event) });
  return {
    response,
    async until(wanted) {
      while (!events.some(({ event, data }) => data === wanted || event === wanted)) {
        const { done, value } = (await reader?.read()) ?? { done: true };
        if (done || value === undefined) throw new Error(`ended before ${wanted}: ${JSON.stringify(events)}`);
        decoder.push(value);
      }
      return events;
    },
    leave: async () => reader?.cancel(),
  };
}

describe("publish", () => {
  test("answers the id, and a batch is stored whole or not at all", async () => {
    const { channel } = setUp();
    const id = await channel.publish({ event: "n", data: { a: 1 }, key: "k" });
    expect(await channel.position()).toBe(id);
    const bad: unknown[] = [
      { data: "x", event: "a\nb" },
      { data: "x", event: "" },
      { data: "x", event: "sluice.end" },
      { data: undefined },
      { data: 1n },
      { data: () => {} },
      { data: "x", key: 5 },
      { data: "x", id: "mine" },
      "text",
      null,
    ];
    for (const event of bad) {
      await expect(channel.publish([{ data: "fine" }, event as { data: string }])).rejects.toMatchObject({
        code: "invalid-field",
      });
    }
    await expect(channel.publish([])).rejects.toMatchObject({ code: "invalid-field" });
    await expect(channel.publish({ data: "x".repeat(2_000_000) })).rejects.toMatchObject({ code: "too-large" });
    expect(await channel.position()).toBe(id);
  });

  test("takes effect once for a producer that retries, and only at the tail it names", async () => {
    const { channel } = setUp();
    const producer = { id: "p", epoch: 0, seq: 0 };
    const ids = await Promise.all(Array.from({ length: 10 }, () => channel.publish({ data: "once" }, { producer })));
    expect(new Set(ids).size).toBe(1);
    expect(await take(channel.read("start"), (short) => short === "live")).toEqual(["once", "live"]);
    await expect(channel.publish({ data: "x" }, { ifTail: "origin" })).rejects.toMatchObject({ code: "conflict" });
    await channel.publish({ data: "two" }, { ifTail: ids[0] });
  });

  test("an array with a hole is refused, and the process lives", async () => {
    const { channel } = setUp();
    const reader = channel.read("tail");
    await reader.next();
    const sparse: { data: string }[] = [];
    sparse[1] = { data: "x" };
    await expect(channel.publish(sparse)).rejects.toMatchObject({ code: "invalid-field" });
    await reader.return?.();
  });

  test("options that do not exist, or make no sense, are refused", async () => {
    const { hub, channel } = setUp();
    const wrong = (options: object): Promise<unknown> =>
      channel.publish({ data: "x" }, options).catch((error: Error) => error.message);
    expect(await wrong({ iftail: "origin" })).toContain("did you mean ifTail?");
    expect(await wrong({ producer: { id: "p", epoch: -1, seq: 0 } })).toContain("make it { id, epoch, seq }");
    expect(() => channel.read("tail", { sginal: null } as object)).toThrow("there is no option");
    expect(() => eventStream(channel, { start: "tale" })).toThrow('start is "tale"');
    expect(await channel.position()).toBe("origin");
    await hub.close();
    await expect(channel.publish({ data: "x" })).rejects.toMatchObject({ code: "unavailable" });
    await expect(channel.position()).rejects.toMatchObject({ code: "unavailable" });
  });

  test("names have bounds", () => {
    const { hub } = setUp();
    for (const name of ["", "a\nb", "x".repeat(257), "\0", 5, null]) {
      expect(() => hub.channel(name as string)).toThrow(SluiceError);
    }
    expect(hub.channel("user:42 ✓/#").name).toBe("user:42 ✓/#");
  });
});

describe("read", () => {
  test("begins at the tail, the start, a position, or so many events back, and goes on with what is new", async () => {
    const { channel } = setUp();
    const ids: string[] = [];
    for (const event of numbers(5)) ids.push(await channel.publish(event));
    const cases: [Parameters<Channel["read"]>[0], string[]][] = [
      ["start", ["0", "1", "2", "3", "4", "live", "new"]],
      [ids[2], ["3", "4", "live", "new"]],
      [ids[4], ["live", "new"]],
      ["origin", ["0", "1", "2", "3", "4", "live", "new"]],
      [{ last: 2 }, ["3", "4", "live", "new"]],
      [{ last: 9 }, ["0", "1", "2", "3", "4", "live", "new"]],
      ["tail", ["live", "new"]],
      ["garbage", ["gap:unknown", "0", "1", "2", "3", "4", "live", "new"]],
    ];
    let live = 0;
    let all!: () => void;
    const allLive = new Promise<void>((resolve) => {
      all = resolve;
    });
    const reading = cases.map(([from]) =>
      take(channel.read(from), (short) => {
        if (short === "live" && ++live === cases.length) all();
        return short === "new";
      }),
    );
    await allLive;
    await channel.publish({ data: "new" });
    expect(await Promise.all(reading)).toEqual(cases.map(([, expected]) => expected));
  });

  test("resumes from every id with the exact suffix, from the run or from the store", async () => {
    for (const runBytes of [1, 1_000_000]) {
      const { channel } = setUp({ runBytes });
      const keepsTheFeed = channel.read("tail");
      await keepsTheFeed.next();
      const ids: string[] = [];
      for (const event of numbers(50)) ids.push(await channel.publish(event));
      for (const [i, id] of ids.entries()) {
        const expected = numbers(49 - i, i + 1).map(({ data }) => data);
        expect(await take(channel.read(id), (short) => short === "live")).toEqual([...expected, "live"]);
      }
      await keepsTheFeed.return?.();
    }
  });

  test("readers that join at random while several write miss nothing and see nothing twice", async () => {
    for (const runBytes of [1, 500, 1_000_000]) {
      const { channel } = setUp({ runBytes, store: memoryStore({ retention: { maxEvents: 1_000_000 } }) });
      const total = 400;
      const histories: Promise<string[]>[] = [];
      const write = async (writer: number): Promise<void> => {
        for (let n = 0; n < total / 4; n++) {
          await channel.publish({ data: `${writer}:${n}` });
          if (n % 7 === writer)
            histories.push(
              take(channel.read("start"), (_, all) => all.filter((short) => short.includes(":")).length === total),
            );
          if (n % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
      };
      await Promise.all([0, 1, 2, 3].map(write));
      const seen = (await Promise.all(histories)).map((history) => history.filter((short) => short !== "live"));
      expect(seen.length).toBeGreaterThan(40);
      expect(new Set(seen.map((history) => history.join())).size).toBe(1);
      expect(new Set(seen[0]).size).toBe(total);
      expect(seen[0]?.some((short) => short.startsWith("gap"))).toBe(false);
    }
  });

  test("a reader that falls behind the retention is told so", async () => {
    const { channel } = setUp({ runBytes: 1, store: memoryStore({ retention: { maxEvents: 5 } }) });
    const reader = channel.read("start");
    await channel.publish({ data: "first" });
    expect((await reader.next()).value).toMatchObject({ data: "first" });
    await channel.publish(numbers(20));
    expect(await take(reader, (short) => short === "19")).toEqual(["gap:truncated", "15", "16", "17", "18", "19"]);
  });

  test("a drop is a reset for those who read, and for those who come back", async () => {
    const store = memoryStore();
    const { channel } = setUp({ store });
    await channel.publish(numbers(3));
    const position = await channel.position();
    let drop!: () => void;
    const live = new Promise<void>((resolve) => {
      drop = resolve;
    });
    const reading = take(channel.read("start"), (short) => {
      if (short === "live") drop();
      return short === "anew";
    });
    await live;
    await store.drop("c");
    await new Promise((resolve) => setTimeout(resolve, 5));
    await channel.publish({ data: "anew" });
    expect(await reading).toEqual(["0", "1", "2", "live", "gap:reset", "anew"]);
    expect(await take(channel.read(position), (short) => short === "live")).toEqual(["gap:reset", "anew", "live"]);
  });

  test("closing brings readers to their end, now and later, and refuses what follows", async () => {
    const { channel } = setUp();
    await channel.publish({ data: "a" });
    const reading = take(channel.read("start"), () => false);
    const waiting = take(channel.read("tail"), () => false);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await channel.close();
    await channel.close();
    expect(await reading).toEqual(["a", "live", "end"]);
    expect(await waiting).toEqual(["live", "end"]);
    expect(await take(channel.read("start"), () => false)).toEqual(["a", "end"]);
    await expect(channel.publish({ data: "b" })).rejects.toMatchObject({ code: "closed" });
  });

  test("who joins a closed channel comes to its end, while others have it open, too", async () => {
    const { channel } = setUp();
    await channel.publish(numbers(2));
    const early = take(channel.read("start"), () => false);
    await expect.poll(async () => (await take(channel.read("start"), (short) => short === "live")).length).toBe(3);
    await channel.close();
    expect(await early).toEqual(["0", "1", "live", "end"]);
    for (const from of ["tail", await channel.position(), { last: 1 }] as const) {
      expect((await take(channel.read(from), () => false)).at(-1)).toBe("end");
    }
  });

  test("a close that no bell announces is found", async () => {
    const { store, faults } = faulty();
    const { channel } = setUp({ store, pollInterval: 5 });
    await channel.publish({ data: "a" });
    const reading = take(channel.read("start"), () => false);
    await new Promise((resolve) => setTimeout(resolve, 10));
    faults.deaf = true;
    await channel.close();
    expect((await reading).at(-1)).toBe("end");
  });

  test("closed, dropped, and closed again, a channel ends for those who read the second time", async () => {
    const store = memoryStore();
    const { channel } = setUp({ store });
    await channel.publish(numbers(2));
    await channel.close();
    expect((await take(channel.read("start"), () => false)).at(-1)).toBe("end");
    await store.drop("c");
    await channel.publish({ data: "anew" });
    await channel.close();
    for (const from of ["start", { last: 1 }] as const) {
      const history = (await take(channel.read(from), () => false)).filter((short) => short !== "live");
      expect(history).toEqual(["anew", "end"]);
    }
  });

  test("what was dropped is not given to who comes afterwards", async () => {
    const store = memoryStore();
    const { channel } = setUp({ store });
    const keepsTheFeed = channel.read("tail");
    await keepsTheFeed.next();
    await channel.publish(numbers(4));
    const old = await channel.position();
    await new Promise((resolve) => setTimeout(resolve, 5));
    await store.drop("c");
    await channel.publish({ data: "anew" });
    await new Promise((resolve) => setTimeout(resolve, 5));
    for (const [from, expected] of [
      [{ last: 5 }, ["anew", "live"]],
      ["start", ["anew", "live"]],
      [old, ["gap:reset", "anew", "live"]],
    ] as const) {
      expect(await take(channel.read(from), (short) => short === "live")).toEqual(expected);
    }
    await keepsTheFeed.return?.();
  });

  test("begins with the first next(), and holds nothing before", async () => {
    const { store, faults } = faulty();
    const { channel } = setUp({ store });
    const never = channel.read("start");
    const later = channel.read("tail");
    await channel.publish({ data: "before" });
    expect(faults.reads).toBe(0);
    expect(await take(later, (short) => short === "live")).toEqual(["live"]);
    await never.return?.();
    expect(await never.next()).toEqual({ done: true, value: undefined });
  });

  test("return() interrupts a read that waits, and a signal rejects it with its reason", async () => {
    const { channel } = setUp();
    const left = channel.read("tail");
    await left.next();
    const waiting = left.next();
    await left.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
    const aborting = new AbortController();
    const aborted = channel.read("tail", { signal: aborting.signal });
    await aborted.next();
    const rejected = aborted.next().catch((error: unknown) => error);
    aborting.abort("enough");
    expect(await rejected).toBe("enough");
  });

  test("gives everything else a turn while it never has to wait", async () => {
    const { channel } = setUp({ store: memoryStore({ retention: { maxEvents: 200_000, maxBytes: 2 ** 28 } }) });
    for (let i = 0; i < 200; i++) await channel.publish(numbers(1000));
    let hadTurn = false;
    setImmediate(() => {
      hadTurn = true;
    });
    let readBefore = 0;
    for await (const { type } of channel.read("start")) {
      if (hadTurn || type === "live") break;
      readBefore++;
    }
    expect(hadTurn).toBe(true);
    expect(readBefore).toBeLessThan(199_000);
  });
});

/** A memory store whose doorbell, reads and appends can be made to fail. */
function faulty(): { store: EventStore; faults: { deaf: boolean; failReads: boolean; reads: number } } {
  const store = memoryStore();
  const faults = { deaf: false, failReads: false, reads: 0 };
  return {
    faults,
    store: {
      durability: store.durability,
      append: (...args) => store.append(...args),
      tails: (...args) => store.tails(...args),
      drop: (...args) => store.drop(...args),
      close: () => store.close(),
      watch: (channel, ring, signal) => store.watch(channel, (hint) => faults.deaf || ring(hint), signal),
      async read(...args) {
        faults.reads++;
        if (faults.failReads) throw new SluiceError("unavailable", "down");
        return store.read(...args);
      },
    },
  };
}

describe("a store that fails", () => {
  test("is waited for, and nothing is skipped", async () => {
    const { store, faults } = faulty();
    const { channel } = setUp({ store });
    const reading = take(channel.read("start"), (short) => short === "2");
    await channel.publish({ data: "0" });
    faults.failReads = true;
    faults.deaf = true;
    await channel.publish(numbers(2, 1));
    await new Promise((resolve) => setTimeout(resolve, 20));
    faults.failReads = false;
    faults.deaf = false;
    await channel.publish({ data: "3" });
    expect((await reading).filter((short) => short !== "live")).toEqual(["0", "1", "2"]);
  });

  test("with a silent doorbell is polled, with one question for all channels", async () => {
    const { store, faults } = faulty();
    faults.deaf = true;
    const { hub } = setUp({ store, pollInterval: 20 });
    const channels = ["a", "b", "c"].map((name) => hub.channel(name));
    const reading = channels.map((channel) => take(channel.read("tail"), (short) => short === "news"));
    await new Promise((resolve) => setTimeout(resolve, 10));
    await Promise.all(channels.map((channel) => channel.publish({ data: "news" })));
    expect(await Promise.all(reading)).toEqual(channels.map(() => ["live", "news"]));
  });

  test("ends the reader, where that is asked for", async () => {
    const { store, faults } = faulty();
    faults.failReads = true;
    const { channel } = setUp({ store, whenStoreFails: "end" });
    await expect(channel.read("start").next()).rejects.toMatchObject({ code: "unavailable" });
  });

  test("at connect lets the client come back later: 200, a reconnection time, and the end", async () => {
    const { store, faults } = faulty();
    faults.failReads = true;
    const errors: unknown[] = [];
    const { channel } = setUp({ store });
    const options = { openTimeout: 10, retry: 5, onError: (error: unknown) => errors.push(error) };
    const failed: unknown[] = [];
    const told = createHub({ store, onError: (error) => failed.push(error) });
    hubs.push(told);
    const reading = told.channel("c").read("start");
    const next = reading.next();
    await expect.poll(() => failed.length).toBeGreaterThan(1);
    await reading.return?.();
    await next;
    const response = await eventStream(channel, options)(new Request("http://localhost/"));
    expect([response.status, await response.text()]).toEqual([200, ":\nretry: 5\n"]);
    expect(errors).toMatchObject([{ code: "unavailable" }]);
    const ending = setUp({ store, whenStoreFails: "end" });
    const other = await eventStream(ending.channel, options)(new Request("http://localhost/"));
    expect([other.status, await other.text()]).toEqual([200, ":\nretry: 5\n"]);
  });
});

test("what a store should never have given back is a gap of its own, from which a client resumes exactly", async () => {
  const store = memoryStore();
  const errors: unknown[] = [];
  const { channel } = setUp({ store, onError: (error) => errors.push(error) });
  await store.append("c", [
    { data: "a" },
    { event: "x\ndata: forged", data: "b" },
    { event: "sluice.end", data: "c" },
    { data: "d" },
  ]);
  const items: ChannelItem[] = [];
  for await (const item of channel.read("start")) {
    if (item.type === "live") break;
    items.push(item);
  }
  expect(items).toMatchObject([
    { data: "a" },
    { type: "gap", reason: "skipped" },
    { type: "gap", reason: "skipped" },
    { data: "d" },
  ]);
  expect(errors).toMatchObject([{ field: "event" }, { field: "event" }]);
  const { id } = items[2] as { id: string };
  expect(await take(channel.read(id), (short) => short === "live")).toEqual(["d", "live"]);
});

describe("eventStream of a channel", () => {
  test("says live with a cursor, delivers, and resumes from any event", async () => {
    const { channel } = setUp();
    const first = await connect(channel);
    expect(first.response.headers.get("Sluice-Resume")).toBe("fresh");
    expect(await first.until("sluice.live")).toEqual([{ event: "sluice.live", data: "{}", id: "origin" }]);
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.push(await channel.publish({ event: "n", data: { n } }));
    const events = await first.until('{"n":4}');
    expect(events.slice(1)).toEqual(ids.map((id, n) => ({ event: "n", data: `{"n":${n}}`, id })));
    await first.leave();
    const again = await connect(channel, { lastEventId: ids[2] as string });
    expect(again.response.headers.get("Sluice-Resume")).toBe("resumed");
    expect((await again.until("sluice.live")).map(({ id }) => id)).toEqual([ids[3], ids[4], ids[4]]);
    await again.leave();
    const fromOrigin = await connect(channel, { lastEventId: "origin" });
    expect((await fromOrigin.until("sluice.live")).length).toBe(6);
    await fromOrigin.leave();
  });

  test("opens at once while something is published, wherever the client resumes", async () => {
    for (let turns = 0; turns < 8; turns++) {
      const { channel } = setUp();
      const id = await channel.publish({ data: "before" });
      const startedAt = performance.now();
      const connecting = connect(channel, { lastEventId: id });
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      await channel.publish({ data: "meanwhile" });
      const client = await connecting;
      expect((await client.until("meanwhile")).map(({ data }) => data).filter((data) => data !== "{}")).toEqual([
        "meanwhile",
      ]);
      expect(performance.now() - startedAt).toBeLessThan(500);
      await client.leave();
    }
  });

  test("tells a client that comes to a closed hub to come back, and nobody of an error", async () => {
    const hub = createHub();
    const errors: unknown[] = [];
    const handler = eventStream(hub.channel("c"), { retry: 5, onError: (error) => errors.push(error) });
    await hub.close();
    const response = await handler(new Request("http://localhost/"));
    expect([response.status, await response.text()]).toEqual([200, ":\nretry: 5\n"]);
    expect(errors).toEqual([]);
  });

  test("takes a channel of a core that a bundler has put beside this one", async () => {
    vi.resetModules();
    const other = await import("../src/index.ts");
    const hub = other.createHub();
    const handler = eventStream(hub.channel("c"), { start: "start", hub });
    expect(hub.channel("c") instanceof other.SluiceError).toBe(false);
    await hub.channel("c").publish({ data: "hello" });
    const reader = (await handler(new Request("http://localhost/"))).body
      ?.pipeThrough(new EventDecoderStream())
      .getReader();
    expect((await reader?.read())?.value?.data).toBe("hello");
    await reader?.cancel();
    await expect(hub.channel("c").publish([])).rejects.toBeInstanceOf(SluiceError);
    await hub.close();
  });

  test("answers a client that comes as the hub closes with a stream, so that it comes back", async () => {
    const { hub, channel } = setUp();
    const answering = eventStream(channel, { retry: 5 })(new Request("http://localhost/"));
    const closing = hub.close();
    const response = await answering;
    expect([response.status, response.headers.get("Content-Type")]).toEqual([200, "text/event-stream; charset=utf-8"]);
    expect(await response.text()).toBe(":\nretry: 5\n");
    await closing;
  });

  test("tells a gap in the header and as an event, and echoes nothing", async () => {
    const { channel } = setUp();
    await channel.publish({ data: "kept" });
    for (const [lastEventId, reason] of [
      ["evil-cursor", "unknown"],
      ["tail", "unknown"],
      ["x".repeat(300), "unknown"],
      ["aaaa.a1bbbb", "reset"],
    ] as const) {
      const client = await connect(channel, { lastEventId });
      expect(client.response.headers.get("Sluice-Resume")).toBe("gap");
      const events = await client.until("sluice.live");
      expect(events[0]).toEqual({ event: "sluice.gap", data: JSON.stringify({ reason }), id: "origin" });
      expect(events[1]).toMatchObject({ data: "kept" });
      await client.leave();
    }
  });

  test("comes to its end with the channel, and the reconnect gets 204", async () => {
    const { channel } = setUp();
    const client = await connect(() => channel);
    await channel.publish({ data: "last" });
    await channel.close();
    expect((await client.until("sluice.end")).at(-1)).toEqual({ event: "sluice.end", data: "{}", id: "sluice.end" });
    const options = { whenDone: "reconnect" } as const;
    for (const again of [
      await connect(channel, { lastEventId: "sluice.end" }),
      await connect(channel, { lastEventId: "sluice.end", options }),
      await connect(() => channel, { lastEventId: "sluice.end", options }),
      await connect(async () => channel, { lastEventId: "sluice.end", options }),
    ]) {
      expect(again.response.status).toBe(204);
    }
  });

  test("ends with the hub, as drained, and the client may come back", async () => {
    const { hub, channel } = setUp();
    const reasons: unknown[] = [];
    const client = await connect((connection) => {
      void connection.closed.then((reason) => reasons.push(reason));
      return channel;
    });
    await client.until("sluice.live");
    await hub.close();
    await expect(client.until("sluice.end")).rejects.toThrow("ended before");
    expect(reasons).toEqual(["drained"]);
  });

  test("may be chosen for each request, at once or after a while, and begins where the option says", async () => {
    const { hub } = setUp();
    await hub.channel("user:1").publish(numbers(3));
    const sources: Source<FetchNative>[] = [
      ({ headers }) => hub.channel(`user:${headers.get("X-User") ?? 1}`),
      async () => hub.channel("user:1"),
    ];
    for (const source of sources) {
      const client = await connect(source, { options: { start: { last: 1 } } });
      expect((await client.until("sluice.live")).map(({ data }) => data)).toEqual(["2", "{}"]);
      await client.leave();
    }
    expect(() => eventStream(hub.channel("c"), { start: { last: 0 } })).toThrow("start is { last: 0 }");
    expect(() => eventStream({ name: "c" } as Channel)).toThrow("pass a channel");
  });

  test("joins a page's snapshot without a gap", async () => {
    const { channel } = setUp();
    const snapshot: string[] = [];
    for (const event of numbers(3)) {
      await channel.publish(event);
      snapshot.push(event.data);
    }
    const position = await channel.position();
    await channel.publish(numbers(3, 3));
    const client = await connect(channel, { lastEventId: position });
    const events = await client.until("sluice.live");
    expect([...snapshot, ...events.slice(0, -1).map(({ data }) => data)]).toEqual(["0", "1", "2", "3", "4", "5"]);
    await client.leave();
  });

  test("a client that does not read costs no queue, and gets all when it reads again", async () => {
    const { channel } = setUp({ runBytes: 1000, store: memoryStore({ retention: { maxEvents: 100_000 } }) });
    const slow = await connect(channel);
    await slow.until("sluice.live");
    for (let n = 0; n < 2000; n++) await channel.publish({ data: `event ${n}` });
    const events = await slow.until("event 1999");
    expect(events.slice(1).map(({ data }) => data)).toEqual(Array.from({ length: 2000 }, (_, n) => `event ${n}`));
    await slow.leave();
  });
});

test("readers that have left cost the store nothing more", async () => {
  const store = memoryStore();
  await store.append("c", numbers(2));
  let reads = 0;
  let answer: (() => void) | undefined;
  const slow: EventStore = {
    ...store,
    append: (...args) => store.append(...args),
    tails: (...args) => store.tails(...args),
    watch: (...args) => store.watch(...args),
    close: () => store.close(),
    async read(channel, cursor, options) {
      if (cursor.startsWith("e.a1aaa")) {
        reads++;
        await new Promise<void>((resolve) => {
          answer = resolve;
        });
      }
      return store.read(channel, cursor, options);
    },
  };
  const { channel } = setUp({ store: slow, maxReplayReads: 4 });
  const readers = Array.from({ length: 50 }, (_, n) => channel.read(`e.a1aaa${String.fromCharCode(97 + (n % 26))}`));
  const waiting = readers.map((reader) => reader.next());
  await expect.poll(() => reads).toBe(2);
  await Promise.all(readers.map(async (reader) => reader.return?.()));
  expect((await Promise.all(waiting)).every(({ done }) => done)).toBe(true);
  answer?.();
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(reads).toBe(2);
});

test("a hub with a thousand readers of one channel reads its store once for each event, and lets go of all of them", async () => {
  const { store, faults } = faulty();
  const { channel } = setUp({ store });
  const clients = await Promise.all(Array.from({ length: 1000 }, () => connect(channel)));
  await Promise.all(clients.map((client) => client.until("sluice.live")));
  const before = faults.reads;
  for (const event of numbers(20)) await channel.publish(event);
  const histories = await Promise.all(clients.map((client) => client.until("19")));
  expect(faults.reads - before).toBeLessThanOrEqual(20);
  expect(new Set(histories.map((events) => JSON.stringify(events))).size).toBe(1);
  await Promise.all(clients.map((client) => client.leave()));
});

test("a hint that cannot be read adds nothing, and what it was about is read", async () => {
  const store = memoryStore();
  const errors: unknown[] = [];
  const broken: EventStore = {
    ...store,
    append: (...args) => store.append(...args),
    read: (...args) => store.read(...args),
    tails: (...args) => store.tails(...args),
    watch: (channel, ring, signal) =>
      store.watch(
        channel,
        (hint) => ring(hint && { ...hint, events: [...hint.events, undefined as unknown as StoredEvent] }),
        signal,
      ),
    close: () => store.close(),
  };
  const { channel } = setUp({ store: broken, onError: (error: unknown) => void errors.push(error) });
  await channel.publish({ data: "before" });
  const reader = channel.read("tail");
  expect((await reader.next()).value).toMatchObject({ type: "live" });
  await channel.publish([{ data: "one" }, { data: "two" }]);
  await channel.publish({ data: "three" });
  const datas: unknown[] = [];
  for (let i = 0; i < 3; i++) datas.push(((await reader.next()).value as { data: string }).data);
  expect(datas).toEqual(["one", "two", "three"]);
  expect(errors[0]).toMatchObject({ code: "unavailable" });
  await reader.return?.();
});
