import type { ClientCommands } from "./clients.ts";
import { start } from "./remote.ts";
import type { Remote } from "./remote.ts";
import type { ServerCommands } from "./server.ts";
import type { Name } from "./wire.ts";

/** What a part of a run has cost and taken. */
interface Cost {
  /** Of the server's process, user and system, in µs. */
  readonly cpu: number;
  /** In ms. */
  readonly time: number;
}

/** A contender's server and its clients. */
export interface Rig {
  readonly server: Remote<ServerCommands>;
  readonly clients: readonly Remote<ClientCommands>[];
  /** Opens so many connections, an equal part by each process of clients; resolves when they would get what is published. */
  connect(count: number): Promise<void>;
  /** Publishes so many events, in groups that come together; resolves with the number of the last. */
  publish(count: number, together?: number): Promise<number>;
  /** Resolves when all have all events up to this one, unchanged and in order. */
  reached(seq: number): Promise<void>;
  /** What it costs until the work is done. */
  costOf(work: () => Promise<unknown>): Promise<Cost>;
  close(): Promise<void>;
}

/** Starts a server and its clients, with no connections yet. */
export async function openRig(name: Name, eventBytes: number, clientProcesses = 1): Promise<Rig> {
  const server = start<ServerCommands>(new URL("./server.ts", import.meta.url), [name, `${eventBytes}`]);
  const args = [name, `${eventBytes}`, `${await server.call("port")}`];
  const clients = Array.from({ length: clientProcesses }, () =>
    start<ClientCommands>(new URL("./clients.ts", import.meta.url), args),
  );
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

/** Runs with rigs of so many connections each, and closes them. */
export async function withRigs<T>(
  names: readonly Name[],
  { connections, eventBytes }: { readonly connections: number; readonly eventBytes: number },
  work: (rigs: ReadonlyMap<Name, Rig>) => Promise<T>,
): Promise<T> {
  const rigs = new Map<Name, Rig>();
  try {
    for (const name of names) {
      const rig = await openRig(name, eventBytes);
      rigs.set(name, rig);
      await rig.connect(connections);
    }
    return await work(rigs);
  } finally {
    await Promise.all([...rigs.values()].map((rig) => rig.close()));
  }
}
