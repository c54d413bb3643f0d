import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import type { StartedServer } from "@sluice/testkit";
import { connectStalled } from "@sluice/testkit";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { canRunBun, startInBun } from "./start.ts";

describe.runIf(canRunBun()).concurrent("connections of Bun", () => {
  let server: StartedServer;
  beforeAll(async () => {
    server = await startInBun();
  });
  afterAll(() => server?.close());

  // Elsewhere there is nobody to ask: what a client reads is the same.
  test.runIf(process.platform === "linux")(
    "closes the socket of a client that takes nothing, when its write deadline has passed",
    async () => {
      const socket = await connectStalled(`${server.url}/deadline`);
      try {
        await vi.waitFor(() => expect(isHeldByServer(socket)).toBe(true));
        await vi.waitFor(() => expect(isHeldByServer(socket)).toBe(false), { timeout: 12_000, interval: 100 });
      } finally {
        socket.destroy();
      }
    },
  );

  test.for(["/finishes", "/forbidden", "/page"])(
    "closes a connection that its client keeps alive after %s, and that idles",
    async (path) => {
      const socket = await connectStalled(`${server.url}${path}`);
      socket.resume();
      try {
        await expect(closeOf(socket, 20_000)).resolves.toBe("closed");
      } finally {
        socket.destroy();
      }
    },
  );

  test("holds no more for two hundred clients that take nothing than for their channel", async () => {
    const sockets = await Promise.all(Array.from({ length: 200 }, () => connectStalled(`${server.url}/crowd`)));
    try {
      const before = await memory();
      for (let megabytes = 0; megabytes < 32; megabytes++) await fetch(`${server.url}/crowd/publish`);
      const after = await memory();
      expect(after.connections).toBe(200);
      // Unbounded, it were 200 times 32 MiB, less what the kernel takes for each.
      expect(after.rss - before.rss).toBeLessThan(128 * 1024 * 1024);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  });

  async function memory(): Promise<{ rss: number; connections: number }> {
    return (await (await fetch(`${server.url}/memory`)).json()) as { rss: number; connections: number };
  }
});

/** Whether the server has not closed its end of a connection, as the kernel says. */
function isHeldByServer({ localPort = 0, remotePort = 0 }: Socket): boolean {
  const port = (number: number): string => `:${number.toString(16).toUpperCase().padStart(4, "0")}`;
  const established = new RegExp(String.raw`${port(remotePort)} \w+${port(localPort)} 01 `);
  return established.test(readFileSync("/proc/net/tcp", "latin1"));
}

/** @param within in ms */
function closeOf(socket: Socket, within: number): Promise<"closed" | "open"> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve("open"), within);
    socket.on("error", () => {});
    socket.once("close", () => {
      clearTimeout(timer);
      resolve("closed");
    });
  });
}
