import type { ClientCommands } from "./clients.ts";
import { start } from "./remote.ts";
import type { Remote } from "./remote.ts";
import type { Stageable } from "./rounds.ts";
import type { ServerCommands } from "./server.ts";
import type { Name, Protocol } from "./wire.ts";

/** A contender's server and its clients. */
export interface Rig extends Stageable {
  readonly server: Remote<ServerCommands>;
  readonly clients: readonly Remote<ClientCommands>[];
}

interface RigOptions {
  readonly clientProcesses?: number;
  readonly protocol?: Protocol;
}

/** Starts a server and its clients, which open an equal part of the connections each. None is open yet. */
export async function openRig(
  name: Name,
  eventBytes: number,
  { clientProcesses = 1, protocol = "http1" }: RigOptions = {},
): Promise<Rig> {
  const server = start<ServerCommands>(new URL("./server.ts", import.meta.url), [name, `${eventBytes}`, protocol]);
  const port = await server.call("port");
  const clients = Array.from({ length: clientProcesses }, () => startClients(name, eventBytes, port, protocol));
  return {
    server,
    clients,
    async connect(count) {
      await Promise.all(clients.map((process) => process.call("connect", count / clients.length)));
    },
    publish: (count, together) => server.call("publish", count, together),
    async reached(seq) {
      await Promise.all(clients.map((process) => process.call("reached", seq)));
    },
    async costOf(work) {
      const before = await server.call("cpu");
      const since = performance.now();
      await work();
      const time = performance.now() - since;
      return { cpu: (await server.call("cpu")) - before, time };
    },
    async close() {
      // The clients first: they do not expect their server to leave.
      await Promise.allSettled(clients.map((process) => process.call("drop")));
      await Promise.all(clients.map((process) => process.stop()));
      await server.stop();
    },
  };
}

/** Starts a process of clients for what serves a contender's dialect. */
export function startClients(
  name: Name,
  eventBytes: number,
  port: number,
  protocol: Protocol = "http1",
): Remote<ClientCommands> {
  return start(new URL("./clients.ts", import.meta.url), [name, `${eventBytes}`, `${port}`, protocol]);
}
