import type { StartedServer } from "@sluice/testkit";
import { connectStalled } from "@sluice/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canRunDeno, startInDeno } from "./start.ts";

describe.runIf(canRunDeno())("connections of Deno", () => {
  let server: StartedServer;
  beforeAll(async () => {
    server = await startInDeno();
  });
  afterAll(() => server?.close());

  test("holds no more for two hundred clients that take nothing than for their channel", async () => {
    const sockets = await Promise.all(Array.from({ length: 200 }, () => connectStalled(`${server.url}/crowd`)));
    try {
      const before = await memory();
      for (let megabytes = 0; megabytes < 32; megabytes++) await fetch(`${server.url}/crowd/publish`);
      const after = await memory();
      expect(after.connections).toBe(200);
      // Unbounded, it were 200 times 32 MiB, less what the kernel takes for each.
      expect(after.rss - before.rss).toBeLessThan(256 * 1024 * 1024);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  });

  async function memory(): Promise<{ rss: number; connections: number }> {
    return (await (await fetch(`${server.url}/memory`)).json()) as { rss: number; connections: number };
  }
});
