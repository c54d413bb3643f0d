import type { DecodedEvent } from "@sluice/core";
import { expect } from "vitest";
import type { Behaviour } from "../adapter-suite.ts";
import { largeBytes, largeLines, largestBytes, numberedEvents, sampleEvents } from "../fixtures.ts";
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

  "delivers an event of 1 MB in 30,000 lines intact, whatever characters the chunks cut in two": async (stage) => {
    const client = await stage.read("/large-lines");
    expect(client.events[0]?.data.split("\n").length).toBe(30_000);
    expect(client.events[0]?.data === largeLines).toBe(true);
    expect([client.events.length, client.end]).toEqual([2, "complete"]);
  },

  "delivers an event as large as the limit, and refuses one that is a byte larger": async (stage) => {
    const client = await stage.read("/largest");
    expect(client.events.map(({ data }) => data.length)).toEqual([largestBytes]);
    expect(client.end).toBe("complete");
    await stage.until(([record]) => record?.closed === "failed" && record.finallyRan, 2000);
    expect((await stage.records())[0]?.errors).toEqual([expect.stringContaining("maxEventBytes")]);
  },

  "gives the source the body of a POST, with every character": async (stage) => {
    const body = "größe 日本語 🎉 ".repeat(3000);
    const client = await stage.read("/body", { method: "POST", headers: { "Content-Type": "text/plain" }, body });
    expect([client.status, client.end]).toEqual([200, "complete"]);
    expect(client.events).toEqual([{ data: body }]);
  },

  "gives a source the whole body that it reads after a while": async (stage) => {
    const body = "größe 日本語 🎉 ".repeat(12_000);
    const headers = { "Content-Type": "text/plain" };
    const client = await stage.read("/body", { method: "POST", headers, body, query: { after: "300" } });
    expect([client.status, client.end]).toEqual([200, "complete"]);
    expect(client.events).toEqual([{ data: body }]);
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

  "gives each of a hundred connections its own events and nothing of another's": async (stage) => {
    const numbers = Array.from({ length: 100 }, (_, client) => `${client}`);
    const clients = await Promise.all(numbers.map((client) => stage.read("/numbered", { query: { client } })));
    for (const [index, { events, end }] of clients.entries()) {
      const own = Array.from({ length: numberedEvents }, (_, event) => ({
        id: `${index}-${event + 1}`,
        data: JSON.stringify({ client: `${index}`, event: event + 1 }),
      }));
      expect([events, end]).toEqual([[...own, END], "complete"]);
    }
  },

  "serves many streams one after another on one connection, and piles nothing up on it": async (stage) => {
    const line = await stage.line();
    for (let turn = 0; turn < 25; turn++) {
      const client = await stage.read("/async-generator", line.options);
      expect([client.events.length, client.end]).toEqual([decodedSamples.length + 1, "complete"]);
    }
    expect(line.connections()).toBe(1);
    expect((await stage.report()).leakWarnings).toEqual([]);
  },
};

async function deliversSamples(stage: Stage, path: string): Promise<void> {
  const client = await stage.read(path);
  expect(client.events).toEqual([...decodedSamples, END]);
  expect(client.comments).toContain("a comment");
  expect(client.end).toBe("complete");
  await stage.until(([record]) => record?.closed === "finished" && record.aborted, 2000);
}
