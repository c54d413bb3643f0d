import { describe, expect, test } from "vitest";
import { createHub, eventStream, memoryStore } from "../src/index.ts";
import type { Connection, EventStreamOptions, Hub } from "../src/index.ts";
import { settled, visit } from "./visit.ts";
import { setUp } from "./hubs.ts";

const limitKey: EventStreamOptions["limitKey"] = ({ url }) => url.searchParams.get("user") ?? undefined;
const as = (user: string): string => `http://localhost/?user=${user}`;

describe("maxConnections", () => {
  test("a further client is told to come back later, with 200, and finds room when another has left", async () => {
    const hub = setUp({ maxConnections: 2 });
    const channel = hub.channel("c");
    const first = await visit(channel);
    const second = await visit(channel);
    await second.until("live");
    const third = await visit(channel, { options: { retry: 3000 } });
    expect(third.response.status).toBe(200);
    expect(await third.rest()).toEqual([]);
    expect(third.text).toBe(":\nretry: 3000\n");
    expect(await third.connection?.closed).toBe("refused");
    expect(hub.stats()).toMatchObject({ connections: 2, opened: 2, refused: { maxConnections: 1 } });
    await first.leave();
    const fourth = await visit(channel);
    expect(await fourth.until("live")).toEqual(["live"]);
    await second.leave();
    await fourth.leave();
    expect(hub.stats().connections).toBe(0);
  });

  test("counts a function's connections, where it is given the hub, and calls it for none that is refused", async () => {
    const hub = setUp({ maxConnections: 1 });
    let calls = 0;
    const source = async (connection: Connection): Promise<void> => {
      calls++;
      await connection.closed;
    };
    const first = await visit(source, { options: { hub } });
    expect(hub.stats().connections).toBe(1);
    const second = await visit(source, { options: { hub } });
    expect(await second.rest()).toEqual([]);
    expect(await second.connection?.closed).toBe("refused");
    expect(calls).toBe(1);
    await first.leave();
    expect(hub.stats()).toMatchObject({ connections: 0, closed: { disconnected: 1 }, refused: { maxConnections: 1 } });
    const elsewhere = await visit(source);
    expect(hub.stats().connections).toBe(0);
    await elsewhere.leave();
  });

  test("counts a connection once, whose function returns a channel of the hub", async () => {
    const hub = setUp({ maxConnections: 1 });
    for (const source of [() => hub.channel("c"), async () => hub.channel("c")]) {
      const client = await visit(source, { options: { hub } });
      expect(await client.until("live")).toEqual(["live"]);
      expect(hub.stats().connections).toBe(1);
      await client.leave();
      expect(hub.stats().connections).toBe(0);
    }
  });

  test("holds for a channel that a function returns late, when the client has been greeted", async () => {
    const hub = setUp({ maxConnections: 1 });
    const first = await visit(hub.channel("c"));
    const late = await visit(async () => hub.channel("c"));
    expect(late.response.status).toBe(200);
    expect(await late.rest()).toEqual([]);
    expect(await late.connection?.closed).toBe("refused");
    await first.leave();
  });

  test("HEAD, and what is refused before, take no room", async () => {
    const hub = setUp({ maxConnections: 1 });
    const handler = eventStream(hub.channel("c"), { authorize: ({ url }) => url.search === "" });
    expect((await handler(new Request("http://localhost/", { method: "HEAD" }))).status).toBe(200);
    expect((await handler(new Request("http://localhost/?no"))).status).toBe(403);
    expect(hub.stats()).toMatchObject({ connections: 0, opened: 0, refused: {} });
  });
});

describe("maxConnectionsPerKey", () => {
  test("a further one is answered with 429 and Retry-After; those of other keys, and of none, are not", async () => {
    const hub = setUp({ maxConnectionsPerKey: 2 });
    const channel = hub.channel("c");
    const options = { limitKey };
    const clients = [await visit(channel, { url: as("a"), options }), await visit(channel, { url: as("a"), options })];
    const refused = await visit(channel, { url: as("a"), options });
    expect([refused.response.status, refused.response.headers.get("Retry-After")]).toEqual([429, "30"]);
    expect(refused.response.headers.get("Cache-Control")).toBe("no-store");
    expect(await refused.rest()).toEqual([]);
    expect(await refused.connection?.closed).toBe("refused");
    for (const url of [as("b"), "http://localhost/", "http://localhost/", "http://localhost/"]) {
      clients.push(await visit(channel, { url, options }));
      expect(clients.at(-1)?.response.status).toBe(200);
    }
    expect(hub.stats()).toMatchObject({ connections: 6, refused: { maxConnectionsPerKey: 1 } });
    await clients.shift()?.leave();
    clients.push(await visit(channel, { url: as("a"), options }));
    expect(clients.at(-1)?.response.status).toBe(200);
    for (const client of clients) await client.leave();
    expect(hub.stats().connections).toBe(0);
  });

  test("is asked once the client is authorised, and not for one that is not", async () => {
    const hub = setUp({ maxConnectionsPerKey: 1 });
    const order: string[] = [];
    const options: EventStreamOptions = {
      authorize: ({ url }) => {
        order.push("authorize");
        return url.search !== "";
      },
      limitKey: (connection) => {
        order.push("limitKey");
        return limitKey(connection);
      },
    };
    const client = await visit(hub.channel("c"), { url: as("a"), options });
    expect((await visit(hub.channel("c"), { options })).response.status).toBe(403);
    expect(order).toEqual(["authorize", "limitKey", "authorize"]);
    await client.leave();
  });

  test("one that comes by a function that is late ends with 200, and comes back", async () => {
    const hub = setUp({ maxConnectionsPerKey: 1 });
    const options = { limitKey, retry: 2000 };
    const first = await visit(async () => hub.channel("c"), { url: as("a"), options });
    const second = await visit(async () => hub.channel("c"), { url: as("a"), options });
    expect(second.response.status).toBe(200);
    expect(await second.rest()).toEqual([]);
    expect(second.text).toBe(":\nretry: 2000\n");
    await first.leave();
  });

  test.each([
    ["throws", "no address"],
    ["a promise", "limitKey returned a promise; return a string or undefined, at once"],
    ["a number", "limitKey returned 5"],
    ["null", "limitKey returned null"],
  ])("a limitKey that answers no string ends the connection, and onError is told: %s", async (what, message) => {
    const hub = setUp();
    const errors: unknown[] = [];
    const answers: Record<string, () => unknown> = {
      throws: () => {
        throw new Error("no address");
      },
      "a promise": () => Promise.reject(new Error("later")),
      "a number": () => 5,
      null: () => null,
    };
    const options: EventStreamOptions = {
      limitKey: answers[what] as () => string,
      onError: (error) => errors.push(error),
    };
    const client = await visit(hub.channel("c"), { options });
    expect(await client.rest()).toEqual([]);
    expect(await client.connection?.closed).toBe("failed");
    expect(String(errors)).toContain(message);
    expect(hub.stats()).toMatchObject({ connections: 0, opened: 0 });
  });
});

describe("maxReplayBytes", () => {
  test("ends a visit with `replay-budget`, and the client gets all, in as many visits as it takes", async () => {
    for (const runBytes of [1, 1_000_000]) {
      const hub = setUp({ maxReplayBytes: 500, runBytes });
      const channel = hub.channel("c");
      for (let i = 0; i < 50; i++) await channel.publish({ data: `${i}`.padStart(40, "0") });
      const all: number[] = [];
      let visits = 0;
      let lastEventId: string | undefined;
      for (let isLive = false; !isLive; visits++) {
        const options = { maxWriteBytes: 200, retry: 1000 };
        const client = await visit(channel, { lastEventId, options });
        const told: string[] = [];
        while (!told.includes("live") && (await client.read()) !== undefined) told.splice(0, Infinity, ...client.told);
        isLive = told.includes("live");
        all.push(...told.filter((data) => data !== "live").map(Number));
        ({ lastEventId } = client);
        if (!isLive) expect(await client.connection?.closed).toBe("replay-budget");
        expect(client.text).toContain("retry: 1000");
        expect(client.text.length).toBeLessThan(1000);
        await client.leave();
      }
      expect(all).toEqual(Array.from({ length: 50 }, (_, i) => i));
      expect(visits).toBeGreaterThan(5);
      expect(hub.stats().closed["replay-budget"]).toBe(visits - 1);
    }
  });

  test("lets each visit have a write at least, and does not count what is new", async () => {
    const hub = setUp({ maxReplayBytes: 1 });
    const channel = hub.channel("c");
    await channel.publish([{ data: "0" }, { data: "1" }]);
    const first = await visit(channel);
    expect(await first.rest()).toEqual(["0", "1"]);
    const second = await visit(channel, { lastEventId: first.lastEventId });
    await second.until("live");
    for (let i = 2; i < 20; i++) {
      await channel.publish({ data: String(i) });
      await second.until(String(i));
    }
    expect(second.connection?.reason).toBe(undefined);
    await second.leave();
  });

  test("is for all the channels of a group together, one of them closed, too", async () => {
    const hub = setUp({ maxReplayBytes: 300 });
    await hub.channel("a").publish({ data: "a" });
    await hub.channel("b").close();
    const client = await visit(hub.channels(["a", "b"]));
    await client.until("live");
    for (let i = 0; i < 20; i++) {
      await hub.channel("a").publish({ data: String(i) });
      await client.until(String(i));
    }
    expect(client.connection?.reason).toBe(undefined);
    await client.leave();
  });
});

describe("a function's hub", () => {
  test("is a hub, or the option is refused", () => {
    for (const hub of [{}, null, 5, memoryStore()]) {
      expect(() => eventStream(() => [], { hub: hub as Hub })).toThrow("a hub, such as createHub()");
    }
  });

  test("is the one of the channel that it returns, or its connection fails", async () => {
    const [hub, other] = [setUp(), setUp()];
    const errors: unknown[] = [];
    const options: EventStreamOptions = { hub, onError: (error) => errors.push(error) };
    const client = await visit(() => other.channel("c"), { options });
    expect(await client.rest()).toEqual([]);
    expect(errors).toMatchObject([{ code: "invalid-source" }]);
    expect([hub.stats().connections, other.stats().connections]).toEqual([0, 0]);
  });

  test("counts what it sends", async () => {
    const hub = setUp();
    const client = await visit(() => [{ data: "one" }, { data: "two" }], { options: { hub } });
    await client.rest();
    await client.connection?.closed;
    const deliveredBytes = "data: one\n\ndata: two\n\n".length;
    expect(hub.stats()).toMatchObject({ opened: 1, closed: { finished: 1 }, deliveredEvents: 2, deliveredBytes });
  });
});

test("a function that comes with its channel when its connection has been told goodbye reads nothing of it", async () => {
  const hub = setUp({ linger: 0 });
  let goOn!: () => void;
  const ready = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const client = await visit(
    async () => {
      await ready;
      return hub.channel("c");
    },
    { options: { maxAge: 5, openTimeout: false, writeDeadline: false } },
  );
  // It takes none of its first bytes, so that its goodbye waits.
  while (client.connection?.signal.aborted !== true) await new Promise((resolve) => setTimeout(resolve, 5));
  goOn();
  await settled();
  expect(client.connection.reason).toBe(undefined);
  await client.rest();
  expect(await client.connection.closed).toBe("max-age");
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(hub.stats()).toMatchObject({ connections: 0, channels: 0, deliveredEvents: 0 });
});

test("what a hub cannot count to is refused", () => {
  for (const option of ["maxConnections", "maxConnectionsPerKey", "maxReplayBytes", "maxPublishRate"]) {
    for (const value of [0, -1, 1.5, "5", Number.NaN]) {
      expect(() => createHub({ [option]: value })).toThrow(expect.objectContaining({ option }) as Error);
    }
  }
  expect(() => createHub({ observer: (() => {}) as object })).toThrow("observer");
});
