import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { connectAndLeave, connectAndReset } from "@sluice/testkit/clients";
import { expect, onTestFinished } from "vitest";
import type { Leftovers } from "./leaks-server.ts";

const AT_ONCE = 250;

/**
 * Lets clients come and vanish in waves, half by reset and half by FIN, and expects that nothing is left of them.
 *
 * @returns the server's heap after each wave, in bytes
 */
export async function heapsAfterWaves(waves: number, clients: number): Promise<readonly number[]> {
  const child = fork(fileURLToPath(new URL("leaks-server.ts", import.meta.url)), [], { execArgv: ["--expose-gc"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [port] = (await once(child, "message")) as [number];

  // Two clients first: what is made once is no leak.
  await wave(port, 2);
  const before = await settled(child, 2);
  const heaps: number[] = [];
  for (let round = 1; round <= waves; round++) {
    await wave(port, clients);
    const after = await settled(child, 2 + round * clients);
    expect(after).toMatchObject({ openConnections: 0, errors: [], listeners: before.listeners });
    heaps.push(after.heap);
  }
  return heaps;
}

async function wave(port: number, clients: number): Promise<void> {
  const url = `http://127.0.0.1:${port}/events`;
  const request = {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: '{"prompt":"hello"}',
    until: "data:",
  };
  for (let index = 0; index < clients; index += AT_ONCE) {
    await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, clients - index) }, (_, client) =>
        client % 2 === 0 ? connectAndReset(url, request) : connectAndLeave(url, request),
      ),
    );
  }
}

/** What Node's server and its clock keep going by themselves. */
const FEW = 8;

/** What is left when every source that has started has stopped, and sockets and timers had time to go. */
async function settled(child: ChildProcess, started: number): Promise<Leftovers> {
  let last: Leftovers | undefined;
  await expect
    .poll(
      async () => {
        child.send("?");
        [last] = (await once(child, "message")) as [Leftovers];
        const { openConnections, finallyRan, aborted, timers, activeResources } = last;
        const few = timers <= FEW && activeResources <= FEW;
        return { openConnections, started: last.started, finallyRan, aborted, few };
      },
      { timeout: 15_000, interval: 100 },
    )
    .toEqual({ openConnections: 0, started, finallyRan: started, aborted: started, few: true });
  return last as Leftovers;
}
