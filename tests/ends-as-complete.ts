// What holds in place of a body that breaks off, where a platform ends a body that fails as if it were complete.
import type { Behaviour } from "@sluice/testkit";
import { manyEvents } from "@sluice/testkit/fixtures";
import { expect } from "vitest";

export const isCutOffCleanly: Behaviour = async (stage) => {
  const client = await stage.open("/deadline");
  client.pause();
  await stage.until(([record]) => record?.closed === "write-deadline" && record.finallyRan, 8000);
  client.resume();
  expect(await client.ended).toBe("complete");
};

/** All that was sent arrives, and the source is stopped; the client cannot tell that it is not all. */
export const isWholeToItsClient =
  (...paths: readonly string[]): Behaviour =>
  async (stage) => {
    for (const path of paths) {
      const client = await stage.read(path, { method: "POST" });
      expect([path, client.status, client.end]).toEqual([path, 200, "complete"]);
      expect(client.events).toHaveLength(path === "/throws-after-many" ? manyEvents : 1);
    }
    await stage.until((records) => records.every(({ closed, aborted }) => closed !== undefined && aborted), 2000);
  };
