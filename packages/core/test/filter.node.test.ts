import { afterEach, describe, expect, test, vi } from "vitest";
import { createHub, memoryStore, SluiceError } from "../src/index.ts";
import type { ChannelEvent, Connection, EventStore, EventStreamOptions, Hub, HubOptions } from "../src/index.ts";
import { settled, visit } from "./visit.ts";

const hubs: Hub[] = [];
afterEach(async () => {
  for (const hub of hubs.splice(0)) await hub.close();
  vi.useRealTimers();
});

function setUp(options: HubOptions = {}): ReturnType<Hub["channel"]> {
  const hub = createHub({ onError: () => {}, ...options });
  hubs.push(hub);
  return hub.channel("c");
}

const isEven = ({ data }: ChannelEvent): boolean => Number(data) % 2 === 0;

describe("a filter", () => {
  test("hides events, and is shown the event and the connection", async () => {
    const channel = setUp();
    const id = await channel.publish({ event: "n", data: "0", key: "k" });
    await channel.publish([{ data: "1" }, { data: "2" }]);
    const asked: [ChannelEvent, string][] = [];
    const filter = (event: ChannelEvent, connection: Connection): boolean => {
      asked.push([event, connection.url.search]);
      return isEven(event);
    };
    const client = await visit(channel, { url: "http://localhost/?user=1", options: { filter } });
    expect(await client.until("live")).toEqual(["0", "2", "live"]);
    expect(asked).toHaveLength(3);
    const at = expect.any(Number) as number;
    expect(asked[0]).toEqual([{ type: "event", id, channel: "c", event: "n", data: "0", key: "k", at }, "?user=1"]);
    await client.leave();
  });

  test("decides for each client, of the same bytes", async () => {
    const channel = setUp();
    await channel.publish(["0", "1", "2", "3"].map((data) => ({ data })));
    const [all, even, odd] = await Promise.all([
      visit(channel),
      visit(channel, { options: { filter: isEven } }),
      visit(channel, { options: { filter: (event) => !isEven(event) } }),
    ]);
    expect(await all.until("live")).toEqual(["0", "1", "2", "3", "live"]);
    expect(await even.until("live")).toEqual(["0", "2", "live"]);
    expect(await odd.until("live")).toEqual(["1", "3", "live"]);
    await channel.publish([{ data: "4" }, { data: "5" }]);
    expect((await all.until("5")).slice(5)).toEqual(["4", "5"]);
    expect((await even.until("4")).slice(3)).toEqual(["4"]);
    expect((await odd.until("5")).slice(3)).toEqual(["5"]);
    for (const client of [all, even, odd]) await client.leave();
  });

  test("hides nothing of a resume, which is exact at every id, from the run and from the store", async () => {
    for (const runBytes of [1, 2000, 1_000_000]) {
      const channel = setUp({ runBytes });
      const keepsTheRun = channel.read("tail");
      await keepsTheRun.next();
      const ids: string[] = [];
      for (let i = 0; i < 20; i++) ids.push(await channel.publish({ data: String(i) }));
      const evens = Array.from({ length: 10 }, (_, i) => String(2 * i));
      for (const [i, lastEventId] of ids.entries()) {
        const client = await visit(channel, { lastEventId, options: { filter: isEven, maxWriteBytes: 100 } });
        expect(client.response.headers.get("Sluice-Resume")).toBe("resumed");
        expect(await client.until("live")).toEqual([...evens.filter((even) => Number(even) > i), "live"]);
        expect(client.lastEventId).toBe(ids.at(-1));
        await client.leave();
      }
      await keepsTheRun.return?.();
    }
  });

  test("moves the cursor of a silent client on: `sluice.live` comes in place of the comment, once", async () => {
    vi.useFakeTimers();
    const channel = setUp();
    const first = await channel.publish({ data: "0" });
    const client = await visit(channel, { options: { filter: isEven, keepAlive: 1000 } });
    await client.until("live");
    expect(client.lastEventId).toBe(first);
    const hidden = await channel.publish([{ data: "1" }, { data: "3" }]);
    const reading = client.read();
    await vi.advanceTimersByTimeAsync(1000);
    expect(await reading).toBe(`id: ${hidden}\nevent: sluice.live\ndata: {}\n\n`);
    const comment = client.read();
    await vi.advanceTimersByTimeAsync(1001);
    expect(await comment).toBe(":\n");
    await client.leave();
    const again = await visit(channel, { lastEventId: client.lastEventId, options: { filter: isEven } });
    expect(await again.until("live")).toEqual(["live"]);
    await again.leave();
  });

  test("and of one to whom goodbye is said, so that its resume is not called truncated", async () => {
    vi.useFakeTimers();
    const channel = setUp({ store: memoryStore({ retention: { maxEvents: 2 } }) });
    await channel.publish({ data: "0" });
    const client = await visit(channel, { options: { filter: isEven, maxAge: 1000 } });
    await client.until("live");
    for (const data of ["1", "3", "5", "7"]) await channel.publish({ data });
    const rest = client.rest();
    await vi.advanceTimersByTimeAsync(1001);
    expect(await rest).toEqual(["0", "live", "live"]);
    expect(client.lastEventId).toBe(await channel.position());
    expect(await client.connection?.closed).toBe("max-age");
    const again = await visit(channel, { lastEventId: client.lastEventId, options: { filter: isEven } });
    expect(await again.until("live")).toEqual(["live"]);
    await again.leave();
  });

  test("that throws, or answers anything but true or false, sends a gap, and `onError` is told once", async () => {
    const channel = setUp();
    const failure = new Error("no database");
    const answers: Readonly<Record<string, () => unknown>> = {
      fine: () => true,
      throws: () => {
        throw failure;
      },
      promise: async () => true,
      rejects: () => Promise.reject(failure),
      one: () => 1,
      nothing: () => {},
      last: () => true,
    };
    for (const data of Object.keys(answers)) await channel.publish({ data, key: data });
    for (const coalesce of [false, true]) {
      const errors: unknown[] = [];
      const options: EventStreamOptions = {
        filter: ({ data }) => answers[data]?.() as boolean,
        coalesce,
        onError: (error) => errors.push(error),
      };
      const client = await visit(channel, { options });
      const gap = "gap:skipped";
      expect(await client.until("live")).toEqual(["fine", gap, gap, gap, gap, gap, "last", "live"]);
      expect(client.response.headers.get("Sluice-Resume")).toBe("gap");
      await client.leave();
      expect(errors).toHaveLength(5);
      expect(errors.shift()).toBe(failure);
      for (const error of errors) expect(error).toMatchObject({ code: "invalid-option", option: "filter" });
      expect(String(errors[0])).toContain("filter returned a promise; make it true or false, at once");
    }
  });

  test("that changes its event has failed, and what the next client's filter is shown is what was published", async () => {
    const channel = setUp();
    const shown: string[] = [];
    const errors: unknown[] = [];
    const careless = await visit(channel, {
      options: {
        filter: (event) => Object.assign(event, { key: "eu" }) === event,
        onError: (error) => errors.push(error),
      },
    });
    const careful = await visit(channel, {
      options: {
        filter({ key = "", data }) {
          shown.push(key);
          return key === "eu" || data === "last";
        },
      },
    });
    await careless.until("live");
    await careful.until("live");
    await channel.publish([{ key: "us", data: "secret" }, { data: "last" }]);
    expect(await careful.until("last")).toEqual(["live", "last"]);
    expect(shown).toEqual(["us", ""]);
    expect(await careless.until("gap:skipped")).toContain("gap:skipped");
    expect(errors[0]).toBeInstanceOf(TypeError);
    await careless.leave();
    await careful.leave();
  });

  test("that fails leaves a resume exact: the gap has the id of the event", async () => {
    const channel = setUp();
    const ids: string[] = [];
    for (const data of ["0", "x", "2"]) ids.push(await channel.publish({ data }));
    const filter = ({ data }: ChannelEvent): boolean => {
      if (data === "x") throw new Error("cannot tell");
      return true;
    };
    const client = await visit(channel, { options: { filter } });
    await client.until("2");
    expect(client.events.map(({ id }) => id)).toEqual(ids);
    const again = await visit(channel, { lastEventId: ids[1], options: { filter } });
    expect(await again.until("live")).toEqual(["2", "live"]);
    await client.leave();
    await again.leave();
  });

  test("that hides all of a long replay does not make its store one that has not answered", async () => {
    vi.useFakeTimers();
    const store = memoryStore();
    const slow: EventStore = {
      ...methodsOf(store),
      read: async (channel, after, options) => {
        await new Promise((resolve) => setTimeout(resolve, 900));
        return store.read(channel, after, { ...options, limit: 1 });
      },
    };
    const channel = setUp({ store: slow, runBytes: 1 });
    for (let i = 0; i < 4; i++) await channel.publish({ data: "1" });
    await channel.publish({ data: "2" });
    const coming = visit(channel, { options: { filter: isEven } });
    await vi.advanceTimersByTimeAsync(2001);
    const client = await coming;
    expect(client.response.headers.get("Sluice-Resume")).toBe("fresh");
    const told = client.until("live");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await told).toEqual(["2", "live"]);
    await client.leave();
  });

  test("is asked of no event behind the end of a channel, nor does anything follow the end", async () => {
    const store = memoryStore();
    for (const coalesce of [false, true]) {
      const channel = setUp({ store });
      await channel.publish({ data: "0", key: "k" });
      const asked: string[] = [];
      const filter = ({ data }: ChannelEvent): boolean => asked.push(data) > 0;
      const client = await visit(channel, { options: { filter, coalesce, whenDone: "reconnect" } });
      await client.stall(channel);
      asked.length = 0;
      await channel.publish({ data: "1", key: "k" });
      await channel.close();
      await store.drop("c");
      await channel.publish({ data: "of another log", key: "k" });
      await settled();
      await client.rest();
      expect(client.news).toEqual(["0", "1", "end"]);
      expect(asked).toContain("1");
      expect(asked).not.toContain("of another log");
      await store.drop("c");
    }
  });
});

describe("a map", () => {
  test("puts something else in the place of an event, under its id", async () => {
    const channel = setUp();
    const ids: string[] = [];
    for (const event of [{ event: "card", data: { holder: "A", number: "4111" } }, { data: "plain" }]) {
      ids.push(await channel.publish(event));
    }
    const map: EventStreamOptions["map"] = (event, { url }) => {
      if (event.event !== "card" || url.search === "?all") return event;
      return { event: "masked", data: { ...(JSON.parse(event.data) as object), number: "****" } };
    };
    const masked = await visit(channel, { options: { map } });
    await masked.until("live");
    expect(masked.events.slice(0, 2)).toEqual([
      { event: "masked", data: '{"holder":"A","number":"****"}', id: ids[0] },
      { data: "plain", id: ids[1] },
    ]);
    const all = await visit(channel, { url: "http://localhost/?all", options: { map } });
    const plain = await visit(channel);
    expect(await all.until("live")).toEqual(await plain.until("live"));
    expect(all.text).toBe(plain.text);
    for (const client of [masked, all, plain]) await client.leave();
  });

  test("may take the type away, and `serialize` makes text of its data", async () => {
    const channel = setUp();
    await channel.publish({ event: "n", data: "1" });
    const options: EventStreamOptions = {
      map: ({ data }) => ({ data: { n: Number(data) } }),
      serialize: (data) => `<${JSON.stringify(data)}>`,
    };
    const client = await visit(channel, { options });
    await client.until("live");
    const [event] = client.events;
    expect([event?.event, event?.data]).toEqual([undefined, '<{"n":1}>']);
    await client.leave();
  });

  test("that changes its event in place masks it for its client, and for nobody else", async () => {
    const channel = setUp();
    await channel.publish({ data: "secret" });
    const map = (event: { data: string }): { data: string } => {
      event.data = "****";
      return event;
    };
    const masked = await visit(channel, { options: { map } });
    expect(await masked.until("live")).toEqual(["****", "live"]);
    expect(masked.text).not.toContain("secret");
    const plain = await visit(channel);
    expect(await plain.until("live")).toEqual(["secret", "live"]);
    for (const client of [masked, plain]) await client.leave();
  });

  test("that fails, or makes what no event can be, sends a gap, and `onError` is told", async () => {
    const channel = setUp();
    const cyclic: { self?: unknown } = {};
    cyclic.self = cyclic;
    const results: Readonly<Record<string, [make: () => unknown, code: string]>> = {
      throws: [() => cyclic["self" as never]["x" as never]["y" as never], "TypeError"],
      nothing: [() => {}, "invalid-field"],
      null: [() => null, "invalid-field"],
      string: [() => "text", "invalid-field"],
      "without data": [() => ({ event: "e" }), "invalid-field"],
      "undefined data": [() => ({ data: undefined }), "invalid-field"],
      promise: [async () => ({ data: "later" }), "invalid-field"],
      rejects: [() => Promise.reject(new Error("later")), "invalid-field"],
      cyclic: [() => ({ data: cyclic }), "invalid-field"],
      function: [() => ({ data: () => {} }), "invalid-field"],
      reserved: [() => ({ event: "sluice.end", data: "" }), "invalid-field"],
      "line break": [() => ({ event: "a\nid: 1", data: "" }), "invalid-field"],
      "empty type": [() => ({ event: "", data: "" }), "invalid-field"],
      "no string": [() => ({ event: 5, data: "" }), "invalid-field"],
      large: [() => ({ data: "€".repeat(400) }), "too-large"],
    };
    for (const data of [...Object.keys(results), "last"]) await channel.publish({ data });
    const errors: unknown[] = [];
    const options: EventStreamOptions = {
      map: (event) => (event.data === "last" ? event : (results[event.data]?.[0]() as { data: unknown })),
      maxEventBytes: 1000,
      onError: (error) => errors.push(error),
    };
    const client = await visit(channel, { options });
    const gaps = Object.keys(results).map(() => "gap:skipped");
    expect(await client.until("live")).toEqual([...gaps, "last", "live"]);
    const codes = errors.map((error) => (error instanceof SluiceError ? error.code : (error as Error).name));
    expect(codes).toEqual(Object.values(results).map(([, code]) => code));
    await client.leave();
  });

  test("that leaves an event as it is does not limit it, however large the channel lets it be", async () => {
    const channel = setUp();
    const data = "x".repeat(5000);
    await channel.publish({ data });
    const client = await visit(channel, { options: { map: (event) => event, maxEventBytes: 1000 } });
    expect(await client.until("live")).toEqual([data, "live"]);
    await client.leave();
  });

  test("is not shown what the filter hides", async () => {
    const channel = setUp();
    await channel.publish(["0", "1", "2"].map((data) => ({ data })));
    const shown: string[] = [];
    const map: EventStreamOptions["map"] = (event) => {
      shown.push(event.data);
      return { data: `<${event.data}>` };
    };
    const client = await visit(channel, { options: { filter: isEven, map } });
    expect(await client.until("live")).toEqual(["<0>", "<2>", "live"]);
    expect(shown).toEqual(["0", "2"]);
    await client.leave();
  });
});

test("neither filter nor map touches what a function sends", async () => {
  const fails = (): never => {
    throw new Error("asked of no channel's event");
  };
  const client = await visit(() => [{ data: "as it is" }], { options: { filter: fails, map: fails } });
  expect(await client.rest()).toEqual(["as it is", "end"]);
});

test("options that are no functions are refused when the handler is made", async () => {
  const channel = setUp();
  for (const options of [{ filter: "even" }, { map: {} }, { coalesce: "yes" }, { whenBehind: "drop" }, { maxLag: 0 }]) {
    const [option] = Object.keys(options);
    await expect(visit(channel, { options: options as object })).rejects.toMatchObject({
      code: "invalid-option",
      option,
    });
  }
});

/** The store's methods, for one that replaces some. */
function methodsOf(store: EventStore): EventStore {
  return {
    durability: store.durability,
    append: (...given) => store.append(...given),
    read: (...given) => store.read(...given),
    tails: (...given) => store.tails(...given),
    watch: (...given) => store.watch(...given),
    drop: (...given) => store.drop(...given),
    close: () => store.close(),
  };
}
