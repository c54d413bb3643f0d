import { expect } from "vitest";
import type { Behaviour } from "../adapter-suite.ts";
import { openSession } from "../client.ts";

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
};
