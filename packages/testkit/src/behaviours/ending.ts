import { expect } from "vitest";
import type { Behaviour } from "../adapter-suite.ts";
import type { StreamClient } from "../client.ts";
import { manyEvents, secret } from "../fixtures.ts";
import type { Stage } from "../stage.ts";

/** How a stream ends when the server ends it. */
export const ending: Readonly<Record<string, Behaviour>> = {
  "answers 204 to the reconnect of a client that has had everything": async (stage) => {
    const first = await stage.read("/finishes");
    expect(first.events).toEqual([
      { data: "done", id: "7" },
      { event: "sluice.end", data: "{}", id: "sluice.end" },
    ]);
    const second = await stage.read("/finishes", { headers: { "Last-Event-ID": "sluice.end" } });
    expect([second.status, second.text, second.end]).toEqual([204, "", "complete"]);
    expect((await stage.records()).filter(({ started }) => started)).toHaveLength(1);
  },

  "lets the client of a source that is to be asked again come back": async (stage) => {
    const first = await stage.read("/finishes-and-returns");
    expect(first.events).toEqual([{ data: "done", id: "7" }]);
    const second = await stage.read("/finishes-and-returns", { headers: { "Last-Event-ID": "7" } });
    expect([second.status, second.events.length]).toEqual([200, 1]);
  },

  "ends cleanly when the source throws before its first event, and says why to onError alone": async (stage) => {
    const client = await stage.read("/throws-at-once");
    expect([client.status, client.end, client.events]).toEqual([200, "complete", []]);
    expect(client.text).not.toMatch(secret);
    await stage.until(([record]) => record?.closed === "failed" && record.aborted, 2000);
    expect(await stage.records()).toMatchObject([{ errors: [`Error: ${secret}`] }]);
  },

  "ends cleanly when the source throws after an event, and says why to onError alone": async (stage) => {
    const client = await stage.read("/throws-later");
    expect([client.status, client.end, client.events]).toEqual([200, "complete", [{ data: "before" }]]);
    expect(client.text).not.toMatch(secret);
    await stage.until(([record]) => record?.closed === "failed" && record.finallyRan, 2000);
    expect(await stage.records()).toMatchObject([{ errors: [`Error: ${secret}`] }]);
  },

  "refuses an invalid event, stops the source and ends cleanly": async (stage) => {
    const client = await stage.read("/invalid-event");
    expect([client.end, client.events]).toEqual(["complete", [{ data: "before" }]]);
    expect(client.text).not.toMatch(secret);
    await stage.until(([record]) => record?.closed === "failed" && record.finallyRan, 2000);
    const [record] = await stage.records();
    expect(record?.pulls).toBe(2);
    expect(record?.errors).toEqual([expect.stringContaining("event contains a line break")]);
  },

  "breaks off the answer to a POST whose source throws, behind all that was sent": async (stage) => {
    for (const [path, sent] of [
      ["/throws-at-once", 0],
      ["/throws-later", 1],
      ["/throws-after-many", manyEvents],
    ] as const) {
      const client = await breaksOff(stage, path);
      expect([path, client.status, client.events.length]).toEqual([path, 200, sent]);
      expect(client.text).not.toMatch(secret);
    }
    await stage.until((records) => records.every(({ closed, aborted }) => closed === "failed" && aborted), 2000);
  },

  "breaks off the answer to a POST that ends before its source has: by age, expiry, drain, or an event that is refused":
    async (stage) => {
      const clients = await Promise.all(
        ["/max-age", "/authorize-expires", "/invalid-event"].map((path) => breaksOff(stage, path)),
      );
      expect(clients.map(({ events }) => events.length)).toEqual([1, 1, 1]);
      const drained = await stage.open("/channel", { method: "POST" });
      await drained.until(({ events }) => events.length === 1);
      await stage.drain("channel");
      expect([await drained.ended, drained.reconnectionTime]).toEqual(["broken", undefined]);
      await stage.until((records) => records.every(({ closed }) => closed !== undefined), 2000);
      expect((await stage.records()).map(({ closed }) => closed).toSorted()).toEqual([
        "drained",
        "expired",
        "failed",
        "max-age",
      ]);
    },

  "turns a POST away with 503 while its hub drains, as no client of it would come back to a stream": async (stage) => {
    const client = await stage.open("/channel");
    await client.until(({ events }) => events.length === 1);
    await stage.drain("channel");
    const late = await stage.read("/channel", { method: "POST" });
    expect([late.status, late.end]).toEqual([503, "complete"]);
    expect(late.text).toMatch(/^Cannot open event stream: [^\n]+\n$/);
    expect(Number(late.headers["retry-after"])).toBeGreaterThan(0);
  },

  "ends cleanly when the connection is old enough": async (stage) => {
    const client = await stage.read("/max-age");
    expect([client.end, client.events]).toEqual(["complete", [{ data: "ready" }]]);
    await stage.until(([record]) => record?.closed === "max-age" && record.aborted && record.finallyRan, 2000);
  },

  "ends cleanly when the authorisation expires": async (stage) => {
    const client = await stage.read("/authorize-expires");
    expect([client.end, client.events]).toEqual(["complete", [{ data: "ready" }]]);
    await stage.until(([record]) => record?.closed === "expired" && record.aborted && record.finallyRan, 2000);
  },

  "ends the readers of a hub that drains, and sends those that come meanwhile away, all to come back": async (
    stage,
  ) => {
    const clients = await Promise.all(Array.from({ length: 10 }, () => stage.open("/channel")));
    await Promise.all(clients.map((client) => client.until(({ events }) => events.length === 1)));
    await stage.drain("channel");
    await stage.publish(1);
    const late = await stage.read("/channel", { headers: { "Last-Event-ID": clients[0]?.events[0]?.id } });
    for (const client of [...clients, late]) {
      expect([client.status, await client.ended]).toEqual([200, "complete"]);
      expect(client.reconnectionTime).toBeGreaterThan(0);
    }
    expect(clients.map(({ events }) => events.map(({ event }) => event))).toEqual(clients.map(() => ["sluice.live"]));
    expect(late.events).toEqual([]);
    await stage.until((records) => records.every(({ closed }) => closed === "drained"), 2000);
  },

  "stops the functions under a hub that drains, and lets their clients come back": async (stage) => {
    const clients = await Promise.all(Array.from({ length: 10 }, () => stage.open("/drainable")));
    await Promise.all(clients.map((client) => client.until(({ events }) => events.length === 1)));
    await stage.drain("functions");
    for (const client of clients) {
      expect([await client.ended, client.events]).toEqual(["complete", [{ data: "ready" }]]);
    }
    await stage.until(
      (records) => records.every(({ closed, aborted, finallyRan }) => closed === "drained" && aborted && finallyRan),
      2000,
    );
  },
};

/** Reads the answer to a POST until it breaks off. */
async function breaksOff(stage: Stage, path: string): Promise<StreamClient> {
  const client = await stage.read(path, { method: "POST" });
  expect([path, client.end, client.reconnectionTime]).toEqual([path, "broken", undefined]);
  return client;
}
