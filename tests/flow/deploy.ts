import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { start } from "../../bench/fanout/remote.ts";
import type { Protocol } from "./request.ts";
import type { ReturningCommands } from "./returning.ts";

export interface Deploy {
  readonly protocol: Protocol;
  /** How many clients honour the reconnection time, and as many more that come back at once. */
  readonly clients: number;
  /** How many read nothing. */
  readonly stalled: number;
  /** How long the server may take to close, in ms. */
  readonly within: number;
}

export interface Deployed {
  /** Of the server's process. */
  readonly exitCode: number | null;
  /** From SIGTERM to its exit, in ms. */
  readonly took: number;
  readonly noted: Awaited<ReturnType<ReturningCommands["noted"]>>;
}

/** Ends a server that has clients with SIGTERM while another is there for them. */
export async function deploy({ protocol, clients, stalled, within }: Deploy): Promise<Deployed> {
  const server = await startServer(protocol, within);
  const next = await startServer(protocol, within);
  const crowd = start<ReturningCommands>(new URL("./returning.ts", import.meta.url), [protocol, server.url, next.url]);
  try {
    await crowd.call("stalled", stalled);
    await crowd.call("patient", clients);
    await crowd.call("hasty", clients);
    while ((await crowd.call("full")) < stalled) await sleep(100);
    const { exitCode, took } = await server.terminate();
    let noted = await crowd.call("noted");
    // Nobody waits longer than the default's four seconds.
    for (const since = Date.now(); noted.arrived < 2 * clients && Date.now() - since < 20_000; await sleep(200)) {
      noted = await crowd.call("noted");
    }
    return { exitCode, took, noted };
  } finally {
    await crowd.stop();
    server.kill();
    next.kill();
  }
}

/** The largest share of the times that lies within any 100 ms. */
export function fullestSlot(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  let most = 0;
  for (let from = 0, to = 0; to < sorted.length; to++) {
    while ((sorted[to] as number) - (sorted[from] as number) >= 100) from++;
    most = Math.max(most, to - from + 1);
  }
  return most / times.length;
}

interface DrainingServer {
  readonly url: string;
  terminate(): Promise<{ readonly exitCode: number | null; readonly took: number }>;
  kill(): void;
}

/** Without a channel to this process, which would keep it alive. */
async function startServer(protocol: Protocol, within: number): Promise<DrainingServer> {
  const module = fileURLToPath(new URL("draining-server.ts", import.meta.url));
  const child = spawn(process.execPath, [module, protocol, `${within}`], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const [url] = (await once(createInterface(child.stdout), "line")) as [string];
  return {
    url,
    async terminate() {
      const since = performance.now();
      child.kill("SIGTERM");
      const [exitCode] = (await exited) as [number | null];
      return { exitCode, took: performance.now() - since };
    },
    kill: () => void child.kill("SIGKILL"),
  };
}
