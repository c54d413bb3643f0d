import { afterEach, describe, expect, test } from "vitest";
import { createHub, memoryStore } from "../src/index.ts";
import type { Channel, ChannelEvent, EventStreamOptions, Hub, HubOptions } from "../src/index.ts";
import { settled, visit } from "./visit.ts";

const hubs: Hub[] = [];
afterEach(async () => {
  for (const hub of hubs.splice(0)) await hub.close();
});

function setUp(options: HubOptions = {}): Channel {
  const hub = createHub({ onError: () => {}, ...options });
  hubs.push(hub);
  return hub.channel("quotes");
}

/** Publishes `A1 B1 n A2 …`, each with its letter as its key, but for `n`, which has none. */
async function publish(channel: Channel, quotes: string): Promise<string[]> {
  const ids: string[] = [];
  for (const data of quotes.split(" ")) {
    const key = /^[A-Z]/.exec(data)?.[0];
    ids.push(await channel.publish(key === undefined ? { data } : { data, key }));
  }
  return ids;
}

const coalesce = true;

describe("of events with one key that wait together, only the newest is sent", () => {
  test("to a client that stalls; to one that does not, all", async () => {
    const channel = setUp();
    const [stalled, healthy, plain] = await Promise.all([
      visit(channel, { options: { coalesce } }),
      visit(channel, { options: { coalesce } }),
      visit(channel),
    ]);
    await healthy.until("live");
    for (const client of [stalled, plain]) await client.stall(channel);
    for (const quote of ["A1", "B1", "n", "A2", "A3", "B2", "n2"]) {
      await publish(channel, quote);
      await healthy.until(quote);
    }
    expect(healthy.news).toEqual(["A1", "B1", "n", "A2", "A3", "B2", "n2"]);
    for (const client of [stalled, plain]) await client.until("n2");
    expect(stalled.news).toEqual(["n", "A3", "B2", "n2"]);
    expect(plain.news).toEqual(["A1", "B1", "n", "A2", "A3", "B2", "n2"]);
    expect(stalled.lastEventId).toBe(await channel.position());
    for (const client of [stalled, healthy, plain]) await client.leave();
  });

  test("of what is replayed, also where the newer one is in the run", async () => {
    for (const runBytes of [1, 1400, 1_000_000]) {
      const channel = setUp({ runBytes });
      const keepsTheRun = channel.read("tail");
      await keepsTheRun.next();
      const ids = await publish(channel, "A1 B1 n A2 C1 A3 B2 n2");
      for (const [i, lastEventId] of ids.entries()) {
        const left = ["n", "C1", "A3", "B2", "n2"].filter((quote) => {
          return ["A1", "B1", "n", "A2", "C1", "A3", "B2", "n2"].indexOf(quote) > i;
        });
        // In parts, so that what overtakes is not in the same one.
        const client = await visit(channel, { lastEventId, options: { coalesce, maxWriteBytes: 60 } });
        expect(await client.until("live")).toEqual(runBytes === 1 ? expect.arrayContaining(left) : [...left, "live"]);
        const last = new Map(client.told.map((quote) => [quote.charAt(0), quote]));
        for (const quote of left.filter((told) => told !== "n")) expect(last.get(quote.charAt(0))).toBe(quote);
        await client.leave();
      }
      await keepsTheRun.return?.();
    }
  });

  test("as the filter sees it: what is hidden overtakes nothing", async () => {
    const channel = setUp();
    const filter = ({ data }: ChannelEvent): boolean => !data.endsWith("!");
    const client = await visit(channel, { options: { coalesce, filter } });
    await client.stall(channel);
    await publish(channel, "A1 A2 A3! B1 B2! n");
    await client.until("n");
    expect(client.news).toEqual(["A2", "B1", "n"]);
    await client.leave();
  });

  test("and is mapped like any other", async () => {
    const channel = setUp();
    const mapped: string[] = [];
    const map: EventStreamOptions["map"] = ({ data }) => {
      mapped.push(data);
      return { data: `<${data}>` };
    };
    const client = await visit(channel, { options: { coalesce, map } });
    await client.stall(channel);
    await publish(channel, "A1 A2 B1 A3");
    await client.until("<A3>");
    expect(client.news).toEqual(["<fills>", "<B1>", "<A3>"]);
    expect(mapped).toEqual(["fills", "B1", "A3"]);
    await client.leave();
  });

  test("and the order of what is sent is that of the log", async () => {
    const channel = setUp();
    const client = await visit(channel, { options: { coalesce } });
    await client.stall(channel);
    const ids = await publish(channel, "A1 B1 C1 B2 A2 n C2");
    await client.until("C2");
    expect(client.events.slice(2).map(({ id }) => id)).toEqual(ids.slice(3));
    await client.leave();
  });

  test("in several channels each for itself", async () => {
    const hub = createHub();
    hubs.push(hub);
    const client = await visit(hub.channels(["x", "y"]), { options: { coalesce } });
    await client.stall(hub.channel("x"));
    for (const data of ["1", "2"]) {
      await hub.channel("x").publish({ data: `x${data}`, key: "k" });
      await hub.channel("y").publish({ data: `y${data}`, key: "k" });
    }
    await client.until("y2");
    await client.until("x2");
    expect(client.news.toSorted()).toEqual(["x2", "y2"]);
    await client.leave();
  });

  test("and an event without a key, or with an empty one of its own, waits for nobody else", async () => {
    const channel = setUp();
    const client = await visit(channel, { options: { coalesce } });
    await client.stall(channel);
    await channel.publish([{ data: "1" }, { data: "2" }, { data: "e1", key: "" }, { data: "e2", key: "" }]);
    await client.until("e2");
    expect(client.news).toEqual(["1", "2", "e2"]);
    await client.leave();
  });
});

test("a resume between two that are coalesced ends with the newest of each key", async () => {
  const channel = setUp();
  const first = await visit(channel, { options: { coalesce } });
  await first.until("live");
  const ids = await publish(channel, "A1 B1 A2");
  await first.until("A2");
  await first.leave();
  await publish(channel, "B2 B3 A3");
  const again = await visit(channel, { lastEventId: ids[1], options: { coalesce } });
  expect(await again.until("live")).toEqual(["B3", "A3", "live"]);
  await again.leave();
});

test("a client that stalls for long is sent no more than a value for each key", async () => {
  const channel = setUp({ store: memoryStore({ retention: { maxEvents: 100_000, maxBytes: 1e9 } }) });
  const client = await visit(channel, { options: { coalesce } });
  await client.stall(channel);
  for (let round = 0; round < 200; round++) {
    await channel.publish(Array.from({ length: 10 }, (_, key) => ({ data: `${key}:${round}`, key: String(key) })));
  }
  await settled();
  await client.until("9:199");
  expect(client.news).toEqual(Array.from({ length: 10 }, (_, key) => `${key}:199`));
  await client.leave();
});
