import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { connectAndLeave, connectAndReset } from "@sluice/testkit/clients";
import { expect, onTestFinished, test } from "vitest";
import type { Leftovers } from "./leaks-server.ts";

const CLIENTS = 1000;
const AT_ONCE = 250;

test("nothing is left of three thousand clients that vanish, half without a word", { timeout: 120_000 }, async () => {
  const child = fork(fileURLToPath(new URL("leaks-server.ts", import.meta.url)), [], { execArgv: ["--expose-gc"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [port] = (await once(child, "message")) as [number];

  // One client first: what is made once is no leak.
  await wave(port, 2);
  const before = await settled(child, 2);
  const heaps: number[] = [];
  for (let round = 1; round <= 3; round++) {
    await wave(port, CLIENTS);
    const after = await settled(child, 2 + round * CLIENTS);
    expect(after).toMatchObject({ openConnections: 0, errors: [], listeners: before.listeners });
    expect(after.timers).toBeLessThanOrEqual(before.timers);
    expect(after.activeResources).toBeLessThanOrEqual(before.activeResources);
    heaps.push(after.heap);
  }
  const [first = 0, , third = Infinity] = heaps;
  expect((third - first) / 2 ** 20, `heaps: ${heaps.join(", ")}`).toBeLessThan(2);
});

async function wave(port: number, clients: number): Promise<void> {
  const url = `http://127.0.0.1:${port}/events`;
  const request = { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"prompt":"hello"}' };
  for (let index = 0; index < clients; index += AT_ONCE) {
    await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, clients - index) }, (_, client) =>
        client % 2 === 0 ? connectAndReset(url, request) : connectAndLeave(url, request),
      ),
    );
  }
}

/** What is left when every source that has started has stopped, and sockets and timers had time to go. */
async function settled(child: ChildProcess, started: number): Promise<Leftovers> {
  let last: Leftovers | undefined;
  await expect
    .poll(
      async () => {
        child.send("?");
        [last] = (await once(child, "message")) as [Leftovers];
        const { openConnections, finallyRan, aborted, timers } = last;
        return { openConnections, started: last.started, finallyRan, aborted, few: timers < 5 };
      },
      { timeout: 15_000, interval: 100 },
    )
    .toEqual({ openConnections: 0, started, finallyRan: started, aborted: started, few: true });
  return last as Leftovers;
}
