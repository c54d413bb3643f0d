// A server with two logs, in a process of its own: `server.ts http1 | http2`. It measures itself.
import { createServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { eventStream } from "@sluice/adapter-node";
import type { NodeHandler, NodeNative } from "@sluice/adapter-node";
import { createHub, memoryStore } from "@sluice/core";
import type { Channel, EventStreamOptions, Hub } from "@sluice/core";
import { answer } from "../../bench/fanout/remote.ts";

/** What a client can ask for, in the last part of the path. */
const views: Readonly<Record<string, EventStreamOptions<NodeNative>>> = {
  "catch-up": {},
  skip: { whenBehind: "skip", maxLag: 100 },
  disconnect: { whenBehind: "disconnect", maxLag: 100 },
  coalesce: { coalesce: true },
};

interface Log {
  readonly hub: Hub;
  readonly channel: Channel;
  published: number;
}

function createLog(maxBytes: number): Log {
  const store = memoryStore({ retention: { maxEvents: 1_000_000, maxBytes } });
  const hub = createHub({ store });
  return { hub, channel: hub.channel("log"), published: 0 };
}

/** By the first part of the path: one that keeps the default's 8 MiB, and one that keeps all that is published here. */
const logs: Readonly<Record<"short" | "long", Log>> = {
  short: createLog(8 * 1024 * 1024),
  long: createLog(256 * 1024 * 1024),
};

const streams = new Map<string, NodeHandler>();
for (const [name, { channel }] of Object.entries(logs)) {
  for (const [view, options] of Object.entries(views)) {
    streams.set(`/${name}/${view}`, eventStream(channel, { ...options, writeDeadline: false }));
  }
}

const handler: NodeHandler = (req, res) => {
  const stream = streams.get(req.url ?? "");
  if (stream !== undefined) return stream(req, res);
  res.statusCode = 404;
  res.end();
};
const server = process.argv[2] === "http2" ? createHttp2Server(handler) : createServer(handler);
// More come at once than the 511 that are Node's default.
await new Promise<void>((resolve) => server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, resolve));

let highest = 0;
let before = 0;

const commands = {
  url: (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`,

  /**
   * Publishes so many events together, each of so many bytes, numbered on and on and with one of ten keys.
   *
   * @returns the number of the last
   */
  async publish(name: keyof typeof logs, count: number, bytes: number): Promise<number> {
    const log = logs[name];
    const events = Array.from({ length: count }, () => {
      const n = ++log.published;
      return { data: `${n} `.padEnd(bytes, "."), key: `${n % 10}` };
    });
    await log.channel.publish(events);
    highest = Math.max(highest, process.memoryUsage.rss());
    return log.published;
  },

  stats: (name: keyof typeof logs): ReturnType<Hub["stats"]> => logs[name].hub.stats(),

  /** How many events the store still has. */
  async retained(name: keyof typeof logs): Promise<number> {
    let events = 0;
    for await (const item of logs[name].channel.read("start")) {
      if (item.type === "event") events++;
      if (item.type === "live") break;
    }
    return events;
  },

  /** Looks at the resident memory from now on. */
  watchMemory(): void {
    globalThis.gc?.();
    before = highest = process.memoryUsage.rss();
  },

  /** By how much the resident memory has grown since, at the most, in bytes. */
  growth: (): number => Math.max(highest, process.memoryUsage.rss()) - before,
};

export type ServerCommands = typeof commands;

answer(commands);
