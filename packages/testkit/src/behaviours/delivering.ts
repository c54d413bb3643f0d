import type { DecodedEvent } from "@sluice/core";
import { expect } from "vitest";
import type { Behaviour } from "../adapter-suite.ts";
import { largeBytes, sampleEvents } from "../fixtures.ts";
import type { Stage } from "../stage.ts";

const END: DecodedEvent = { event: "sluice.end", data: "{}", id: "sluice.end" };

/** What clients are to see of the fixtures' events. */
const decodedSamples: readonly DecodedEvent[] = sampleEvents
  .filter(({ data }) => data !== undefined)
  .map(({ event, data, id }) => ({
    ...(event !== undefined && { event }),
    data: typeof data === "string" ? data : JSON.stringify(data),
    ...(id !== undefined && { id }),
  }));

/** How events arrive. */
export const delivering: Readonly<Record<string, Behaviour>> = {
  ...Object.fromEntries(
    [
      ["/array", "an array"],
      ["/generator", "a generator"],
      ["/async-generator", "an async generator"],
      ["/readable-stream", "a ReadableStream"],
      ["/send", "a function that sends"],
      ["/promise-of-array", "a promise of an array"],
      ["/promise-of-async-generator", "a promise of an async generator"],
      ["/promise-of-readable-stream", "a promise of a ReadableStream"],
    ].map(([path = "", kind]) => [
      `delivers the events of ${kind} exactly, with objects, Unicode and several lines, and says that it has finished`,
      (stage: Stage) => deliversSamples(stage, path),
    ]),
  ),

  "delivers each event at once, not with the next": async (stage) => {
    const client = await stage.open("/stepped");
    for (let step = 1; step <= 5; step++) {
      await client.until(({ events }) => events.length === step);
      expect(client.events.at(-1)).toEqual({ data: `step ${step}` });
      const [record] = await stage.records();
      expect(record?.pulls).toBe(step);
      await stage.go();
    }
  },

  "delivers an event of 900 KB intact": async (stage) => {
    const client = await stage.read("/large");
    expect(client.events.map(({ data }) => data.length)).toEqual([largeBytes, 2]);
    expect(/^x+$/.test(client.events[0]?.data ?? "")).toBe(true);
    expect(client.end).toBe("complete");
  },

  "answers POST with a body as it answers GET, without sluice.end": async (stage) => {
    const client = await stage.read("/async-generator", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ prompt: "größe".repeat(1000) }),
    });
    expect(client.status).toBe(200);
    expect(client.events).toEqual(decodedSamples);
    expect(client.end).toBe("complete");
  },

  "serves a hundred connections at once": async (stage) => {
    const clients = await Promise.all(Array.from({ length: 100 }, () => stage.open("/idle")));
    await Promise.all(clients.map((client) => client.until(({ events }) => events.length === 1)));
    const records = await stage.records();
    expect(records.filter(({ closed }) => closed === undefined)).toHaveLength(100);
    for (const client of clients) client.reset();
  },
};

async function deliversSamples(stage: Stage, path: string): Promise<void> {
  const client = await stage.read(path);
  expect(client.events).toEqual([...decodedSamples, END]);
  expect(client.comments).toContain("a comment");
  expect(client.end).toBe("complete");
  await stage.until(([record]) => record?.closed === "finished" && record.aborted, 2000);
}
