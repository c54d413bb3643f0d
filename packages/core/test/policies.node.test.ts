import { afterEach, describe, expect, test } from "vitest";
import { createHub, memoryStore } from "../src/index.ts";
import type { Channel, EventStreamOptions, Hub, HubOptions } from "../src/index.ts";
import { settled, visit } from "./visit.ts";
import type { Visit } from "./visit.ts";

const hubs: Hub[] = [];
afterEach(async () => {
  for (const hub of hubs.splice(0)) await hub.close();
});

function setUp(options: HubOptions = {}): Channel {
  const hub = createHub({ onError: () => {}, ...options });
  hubs.push(hub);
  return hub.channel("c");
}

/** One after another, each when the one before has been told of. */
async function publish(channel: Channel, from: number, to: number): Promise<string[]> {
  const ids: string[] = [];
  for (let i = from; i <= to; i++) {
    ids.push(await channel.publish({ data: String(i) }));
    await settled();
  }
  return ids;
}

const frame = (id: string | undefined, data: string): string => `id: ${id}\ndata: ${data}\n\n`;

/** A client that has been live, and reads no more. */
async function stalled(channel: Channel, options: EventStreamOptions): Promise<Visit> {
  const client = await visit(channel, { options: { start: "tail", ...options } });
  await client.stall(channel);
  return client;
}

/** What lies in the socket of a client that has stalled. */
const filling = async (channel: Channel): Promise<string> => frame(await channel.position(), "fills");

describe.each([
  ["within the run", 1_000_000],
  ["behind the run", 1],
])("a client that reads no more, and then again, %s", (_, runBytes) => {
  test("catches up by default: it gets all that is retained", async () => {
    const channel = setUp({ runBytes });
    const client = await stalled(channel, { maxLag: 1 });
    const before = client.text;
    const filled = await filling(channel);
    const ids = await publish(channel, 0, 9);
    await client.until("9");
    expect(client.text.slice(before.length)).toBe(filled + ids.map((id, i) => frame(id, String(i))).join(""));
    await client.leave();
  });

  test("catches up to a gap, where retention was faster", async () => {
    const channel = setUp({ runBytes, store: memoryStore({ retention: { maxEvents: 3 } }) });
    const client = await stalled(channel, {});
    await publish(channel, 0, 9);
    await client.until("9");
    // The run outlives the store.
    const all = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    expect(client.news).toEqual(runBytes === 1 ? ["gap:truncated", "7", "8", "9"] : all);
    await client.leave();
  });

  test("skips, where it is told to: a gap with the place before the newest, the newest, and on from there", async () => {
    const channel = setUp({ runBytes });
    const client = await stalled(channel, { whenBehind: "skip", maxLag: 3 });
    const before = client.text;
    const filled = await filling(channel);
    const ids = await publish(channel, 0, 9);
    await client.until("9");
    const gap = `id: ${ids[8]}\nevent: sluice.gap\ndata: {"reason":"skipped"}\n\n`;
    expect(client.text.slice(before.length)).toBe(filled + gap + frame(ids[9], "9"));
    const [next] = await publish(channel, 10, 10);
    await client.until("10");
    expect(client.text.slice(before.length)).toBe(filled + gap + frame(ids[9], "9") + frame(next, "10"));
    expect(client.connection?.reason).toBe(undefined);
    await client.leave();
    // The cursor of the gap leads to the newest, and nothing else.
    const again = await visit(channel, { lastEventId: ids[8] });
    expect(await again.until("live")).toEqual(["9", "10", "live"]);
    await again.leave();
  });

  test("is cut off, where it is told to be, and resumes without loss", async () => {
    const channel = setUp({ runBytes });
    const client = await stalled(channel, { whenBehind: "disconnect", maxLag: 3 });
    const position = client.lastEventId;
    await publish(channel, 0, 2);
    expect(client.connection?.reason).toBe(undefined);
    await publish(channel, 3, 9);
    expect(await client.connection?.closed).toBe("behind");
    expect(client.connection?.signal.aborted).toBe(true);
    await expect(client.read()).rejects.toThrow("broken off");
    const again = await visit(channel, { lastEventId: position, options: { whenBehind: "disconnect", maxLag: 3 } });
    expect(await again.until("live")).toEqual(["fills", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "live"]);
    await again.leave();
  });
});

test.each(["skip", "disconnect"] as const)("exactly maxLag behind is not behind: %s", async (whenBehind) => {
  const channel = setUp();
  const client = await stalled(channel, { whenBehind, maxLag: 4 });
  await publish(channel, 0, 3);
  await client.until("3");
  expect(client.news).toEqual(["0", "1", "2", "3"]);
  await client.leave();
});

test.each(["skip", "disconnect"] as const)(
  "what was missed before the connection is no lag: %s",
  async (whenBehind) => {
    for (const runBytes of [1, 1_000_000]) {
      const channel = setUp({ runBytes });
      const [first] = await publish(channel, 0, 0);
      await publish(channel, 1, 20);
      const client = await visit(channel, {
        lastEventId: first,
        options: { whenBehind, maxLag: 1, maxWriteBytes: 60 },
      });
      await publish(channel, 21, 22);
      const all = Array.from({ length: 22 }, (_, i) => String(i + 1));
      expect(await client.until("live")).toEqual([...all, "live"]);
      await client.leave();
    }
  },
);

test("one that stalls takes nothing from those that do not", async () => {
  const channel = setUp({ runBytes: 2000 });
  const options = { whenBehind: "disconnect", maxLag: 5 } as const;
  const healthy = await visit(channel, { options });
  await healthy.until("live");
  const slow = await stalled(channel, options);
  const skipping = await stalled(channel, { whenBehind: "skip", maxLag: 5 });
  for (let i = 0; i < 50; i++) {
    await channel.publish({ data: String(i) });
    await healthy.until(String(i));
  }
  expect(healthy.news).toEqual(Array.from({ length: 50 }, (_, i) => String(i)));
  expect(slow.connection?.reason).toBe("behind");
  await skipping.until("49");
  expect(skipping.news).toEqual(["gap:skipped", "49"]);
  for (const client of [healthy, skipping]) await client.leave();
});

test("hidden events count as lag no longer than they wait: a client with room is never behind them", async () => {
  const channel = setUp();
  const options: EventStreamOptions = { whenBehind: "disconnect", maxLag: 2, filter: ({ data }) => data === "9" };
  const client = await stalled(channel, options);
  const reading = client.until("9");
  await publish(channel, 0, 9);
  await reading;
  expect(client.news).toEqual(["9"]);
  await client.leave();
});

test("a channel that is closed while a client stalls is told to have ended, behind the gap", async () => {
  const channel = setUp();
  const client = await stalled(channel, { whenBehind: "skip", maxLag: 2 });
  await publish(channel, 0, 5);
  await channel.close();
  await settled();
  await client.rest();
  expect(client.news).toEqual(["gap:skipped", "5", "end"]);
});

test("a channel that is dropped while a client stalls is told to have gaps, whatever is skipped", async () => {
  for (const runBytes of [1, 1_000_000]) {
    const store = memoryStore();
    const channel = setUp({ store, runBytes });
    const client = await stalled(channel, { whenBehind: "skip", maxLag: 2 });
    await publish(channel, 0, 1);
    await store.drop("c");
    await publish(channel, 10, 15);
    await client.until("15");
    expect(client.news).toEqual(["gap:skipped", "15"]);
    await client.leave();
    await store.close();
  }
});
