import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import type { LedgerReport, StartedServer } from "@sluice/testkit";
import { connectStalled, openStream } from "@sluice/testkit";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { canRunDeno, runInDeno, startInDeno } from "./start.ts";

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

  // When this fails, Deno has learnt it: https://github.com/denoland/deno/issues/3515
  test.runIf(process.platform === "linux")(
    "cannot close the socket of a client that takes nothing, but lets its source go",
    async () => {
      const socket = await connectStalled(`${server.url}/deadline?key=stalled`);
      try {
        await vi.waitFor(async () => expect(await reasons("stalled")).toEqual(["write-deadline"]), { timeout: 8000 });
        await new Promise((resolve) => setTimeout(resolve, 1000));
        expect(isHeldByServer(socket)).toBe(true);
        socket.resume();
        await vi.waitFor(() => expect(isHeldByServer(socket)).toBe(false), { timeout: 8000 });
      } finally {
        socket.destroy();
      }
    },
  );

  test("warns of nothing that it does itself", async () => {
    const { stderr } = await runInDeno("quiet.ts");
    expect(stderr).toBe("");
  });

  /** Why the connections of one key have ended. */
  async function reasons(key: string): Promise<readonly unknown[]> {
    const report = await openStream(`${server.url}/ledger?key=${key}`, { method: "POST" });
    await report.ended;
    const { connections } = JSON.parse(report.events[0]?.data ?? "null") as LedgerReport;
    return connections.filter(({ finallyRan }) => finallyRan).map(({ closed }) => closed);
  }

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
