import { startClients } from "../fanout/rig.ts";
import type { Stageable } from "../fanout/rounds.ts";
import { startServer } from "./processes.ts";
import type { ServerProcess } from "./processes.ts";

export type Name = "raw" | "ours";

/** A platform's server, raw or ours, and its clients. */
export interface Rig extends Stageable {
  readonly server: ServerProcess;
  /** Opens so many connections and reads nothing from them, ever. */
  stall(count: number): Promise<void>;
  /** How many connections the server has. */
  connections(): Promise<number>;
}

/** Starts a server and its clients. No connection is open yet. */
export async function openRig(platform: string, name: Name, eventBytes: number): Promise<Rig> {
  const server = await startServer(platform, [name, `${eventBytes}`]);
  const clients = startClients(name, eventBytes, server.port);
  const command = async (path: string): Promise<number> => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`);
    const answer = await response.text();
    if (!response.ok) throw new Error(`${platform} answered ${response.status} to ${path}: ${answer}`);
    return Number(answer);
  };
  return {
    server,
    connect: (count) => clients.call("connect", count),
    stall: (count) => clients.call("stall", count),
    publish: (count, together = 1) => command(`/publish?count=${count}&together=${together}`),
    reached: (seq) => clients.call("reached", seq),
    connections: () => command("/connections"),
    async costOf(work) {
      const before = server.cpu();
      const since = performance.now();
      await work();
      const time = performance.now() - since;
      return { cpu: server.cpu() - before, time };
    },
    async close() {
      // The clients first: they do not expect their server to leave.
      await clients.call("drop").catch(() => {});
      await clients.stop();
      await server.stop();
    },
  };
}
