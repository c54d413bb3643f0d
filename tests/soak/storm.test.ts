import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { start } from "../../bench/fanout/remote.ts";
import type { CrowdCommands } from "../flow/crowd.ts";
import type { ServerCommands } from "../flow/server.ts";

const CLIENTS = 10_000;
const EVENT_BYTES = 100;

// A process opens ten thousand sockets, and some files: where that is not allowed, `ulimit -n 10200` before.
test.each(["http1", "http2"] as const)(
  "ten thousand clients of one process, on %s, are dropped at once and come back within two seconds, each a hundred events behind, and each gets its exact suffix",
  async (protocol) => {
    const server = start<ServerCommands>(new URL("../flow/server.ts", import.meta.url), [protocol]);
    const crowd = start<CrowdCommands>(new URL("../flow/crowd.ts", import.meta.url), [protocol]);
    const publish = (count: number): Promise<number> => server.call("publish", "short", count, EVENT_BYTES);
    try {
      const url = `${await server.call("url")}/short/catch-up`;
      await crowd.call("open", "all", url, CLIENTS);
      await crowd.call("read", "all");
      await crowd.call("reached", "all", await publish(1));
      await crowd.call("reset", "all");
      await expect.poll(async () => (await server.call("stats", "short")).connections, { timeout: 60_000 }).toBe(0);
      for (let n = 0; n < 100; n++) await publish(1);

      const back = crowd.call("reconnect", "all", url, 2000);
      // Those who are back get what is new while others still come.
      let last = 0;
      for (let n = 0; n < 40; n++) {
        last = await publish(1);
        await sleep(50);
      }
      await back;
      await crowd.call("reached", "all", last);
      expect(await crowd.call("histories", "all")).toEqual([
        { history: Array.from({ length: last }, (_, i) => i + 1), clients: CLIENTS },
      ]);
    } finally {
      await crowd.stop();
      await server.stop();
    }
  },
);
