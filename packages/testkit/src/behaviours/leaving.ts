import { expect } from "vitest";
import type { Behaviour } from "../adapter-suite.ts";
import type { StreamClient } from "../client.ts";
import type { Stage } from "../stage.ts";

/** How soon the server is to notice that a client has gone, in ms: on a busy machine, too. */
const SOON = 2500;

/** What happens when the client goes first. */
export const leaving: Readonly<Record<string, Behaviour>> = {
  "stops a generator that waits when its client leaves": (stage) =>
    isStopped(stage, "/idle", (client) => client.leave()),

  "stops a generator that waits when its client is reset": (stage) =>
    isStopped(stage, "/idle", (client) => client.reset()),

  "stops a generator that works when its client leaves": (stage) =>
    isStopped(stage, "/ticking", (client) => client.leave()),

  "stops a generator that works when its client is reset": (stage) =>
    isStopped(stage, "/ticking", (client) => client.reset()),

  "stops a generator that never looks at its signal when its client leaves": (stage) =>
    isStopped(stage, "/heedless", (client) => client.leave()),

  "stops a ReadableStream when its client leaves": (stage) =>
    isStopped(stage, "/idle-stream", (client) => client.leave()),

  "stops a function that sends when its client leaves": (stage) =>
    isStopped(stage, "/idle-send", (client) => client.leave()),

  "stops a generator when its client leaves after a POST": (stage) =>
    isStopped(stage, "/idle", (client) => client.leave(), { method: "POST", body: '{"prompt":"hello"}' }),

  "stops a generator when its client leaves after a POST whose large body nobody reads": (stage) =>
    isStopped(stage, "/quiet", (client) => client.leave(), LARGE_POST),

  "stops a generator when its client is reset after a POST whose large body nobody reads": (stage) =>
    isStopped(stage, "/quiet", (client) => client.reset(), LARGE_POST),

  "lets go of a channel's client that leaves after a POST whose large body nobody reads": async (stage) => {
    const client = await stage.open("/channel", LARGE_POST);
    // With bytes that it has not read, it would not leave but be reset.
    await client.until(({ events }) => events.length > 0);
    client.leave();
    await stage.until(([record]) => record?.closed === "disconnected", SOON);
  },

  "stops a hundred generators when half of their clients leave and half are reset": async (stage) => {
    const clients = await Promise.all(Array.from({ length: 100 }, () => stage.open("/idle")));
    await Promise.all(clients.map((client) => client.until(({ events }) => events.length === 1)));
    for (const [index, client] of clients.entries()) {
      if (index % 2 === 0) client.leave();
      else client.reset();
    }
    await stage.until(
      (records) => records.every(({ closed, finallyRan }) => closed === "disconnected" && finallyRan),
      SOON,
    );
    expect(await stage.records()).toHaveLength(100);
  },

  "goes on or ends for a client that half-closes, and in no case hangs": async (stage) => {
    const client = await stage.open("/ticking");
    await client.until(({ events }) => events.length > 0);
    client.halfClose();
    const before = client.events.length;
    await client.until(({ events, end }) => end !== undefined || events.length > before + 20, SOON);
    client.leave();
    await stage.until(([record]) => record?.closed === "disconnected" && record.finallyRan, SOON);
  },

  "never runs the source of a client that leaves while it is being authorised": async (stage) => {
    const patience = new AbortController();
    const client = stage.open("/authorize-waits", { signal: patience.signal }).then(
      () => "answered",
      () => "left",
    );
    await stage.until(([record]) => record !== undefined, 2000);
    patience.abort();
    expect(await client).toBe("left");
    await stage.until(([record]) => record?.closed === "disconnected" && record.aborted, SOON);
    expect(await stage.records()).toMatchObject([{ started: false, errors: [] }]);
  },
};

/** What is left of connections when they have ended; shown after all others, as they would hold on to each other. */
export const lettingGo: Readonly<Record<string, Behaviour>> = {
  "lets go of all that it held for connections that have ended, however they ended": async (stage) => {
    const waves = 10;
    for (let wave = 0; wave < waves; wave++) {
      await stage.read("/async-generator");
      await stage.read("/forbidden");
      await stage.read("/throws-later");
      for (const path of ["/ticking", "/idle-send", "/channel-from-start"]) {
        const client = await stage.open(path);
        await client.until(({ events, reconnectionTime }) => events.length > 0 || reconnectionTime !== undefined);
        if (wave % 2 === 0) client.leave();
        else client.reset();
      }
    }
    await stage.until((records) => records.every(({ closed }) => closed !== undefined), 9000);
    expect(await stage.records()).toHaveLength(6 * waves);
    // A few may lie in a buffer or a register; what leaks, leaks of every wave.
    const startedAt = performance.now();
    let { held = 0 } = await stage.collected();
    while (held >= waves && performance.now() - startedAt < 8000) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      held = (await stage.collected()).held ?? 0;
    }
    expect(held).toBeLessThan(waves);
  },
};

/** More than a platform keeps of a body, and less than body parsers take. */
const LARGE_POST = { method: "POST", body: "x".repeat(300_000), headers: { "Content-Type": "text/plain" } };

async function isStopped(
  stage: Stage,
  path: string,
  go: (client: StreamClient) => void,
  request: { readonly method?: string; readonly body?: string; readonly headers?: Record<string, string> } = {},
): Promise<void> {
  const headers = request.headers ?? (request.body === undefined ? {} : { "Content-Type": "application/json" });
  const client = await stage.open(path, { ...request, headers });
  await client.until(({ events }) => events.length > 0);
  go(client);
  await stage.until(([record]) => record?.closed !== undefined && record.aborted && record.finallyRan, SOON);
  expect(await stage.records()).toMatchObject([{ closed: "disconnected", errors: [] }]);
}
