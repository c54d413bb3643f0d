import { expect } from "vitest";
import type { Behaviour } from "../adapter-suite.ts";
import { openSession } from "../client.ts";
import { numberedEvents } from "../fixtures.ts";

/** What many streams on one HTTP/2 session do to each other; shown only where the server speaks HTTP/2. */
export const multiplexing: Readonly<Record<string, Behaviour>> = {
  "leaves an HTTP/2 session usable when one of its streams stalls until the write deadline": async (stage) => {
    const session = await openSession(stage.server.url);
    try {
      const steady = await stage.open("/ticking", { session });
      const stalled = await stage.open("/deadline", { session });
      stalled.pause();
      const reasonOf = (path: string, records: readonly { path: string; closed?: string }[]): string | undefined =>
        records.find((record) => record.path === path)?.closed;
      await stage.until((records) => reasonOf("/deadline", records) !== undefined, 8000);
      expect(reasonOf("/deadline", await stage.records())).toBe("write-deadline");
      stalled.resume();
      expect(await stalled.ended).toBe("broken");
      expect(reasonOf("/ticking", await stage.records())).toBeUndefined();
      const ticks = steady.events.length;
      await steady.until(({ events }) => events.length > ticks);
      const next = await stage.read("/finishes", { session });
      expect([next.status, next.end]).toEqual([200, "complete"]);
    } finally {
      session.destroy();
    }
  },

  "gives each of fifty streams on one HTTP/2 session its own events": async (stage) => {
    const { options } = await stage.line();
    const clients = await Promise.all(
      Array.from({ length: 50 }, (_, client) =>
        stage.read("/numbered", { ...options, query: { client: `${client}` } }),
      ),
    );
    for (const [index, { events, end }] of clients.entries()) {
      const own = Array.from({ length: numberedEvents }, (_, event) => `${index}-${event + 1}`);
      expect([events.map(({ id }) => id), end]).toEqual([[...own, "sluice.end"], "complete"]);
    }
  },

  "stops the source of the one stream that its client cancels, and no other of the session": async (stage) => {
    const { options } = await stage.line();
    const left = await stage.open("/heedless", options);
    const kept = await stage.open("/ticking", options);
    await Promise.all([left, kept].map((client) => client.until(({ events }) => events.length > 0)));
    left.leave();
    await stage.until((records) => records.some(({ closed, finallyRan }) => closed !== undefined && finallyRan), 2500);
    const ticks = kept.events.length;
    await kept.until(({ events }) => events.length > ticks + 5);
    const open = (await stage.records()).filter(({ closed }) => closed === undefined);
    expect(open.map(({ path }) => path)).toEqual(["/ticking"]);
  },

  "stops the sources of all streams of a session that is reset": async (stage) => {
    const { options } = await stage.line();
    const clients = await Promise.all(
      Array.from({ length: 20 }, (_, index) => stage.open(index % 2 === 0 ? "/idle" : "/ticking", options)),
    );
    await Promise.all(clients.map((client) => client.until(({ events }) => events.length > 0)));
    clients[0]?.reset();
    await stage.until(
      (records) => records.every(({ closed, finallyRan }) => closed === "disconnected" && finallyRan),
      2500,
    );
    expect(await stage.records()).toHaveLength(20);
  },
};
