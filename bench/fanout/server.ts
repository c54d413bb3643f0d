// The server of one contender, in a process of its own: `server.ts CONTENDER EVENT_BYTES PROTOCOL`. It measures itself.
import http from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import http2 from "node:http2";
import type { Http2ServerResponse } from "node:http2";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { now } from "./clock.ts";
import { contenders } from "./contenders.ts";
import { startProfile } from "./profile.ts";
import { answer } from "./remote.ts";
import { payloadOf } from "./wire.ts";
import type { Name, Payload } from "./wire.ts";

const contender = contenders[process.argv[2] as Name]();
const eventBytes = Number(process.argv[3]);
const responses = new Set<ServerResponse | Http2ServerResponse>();
const handle = (req: IncomingMessage, res: ServerResponse): void => {
  responses.add(res);
  res.once("close", () => responses.delete(res));
  contender.handle(req, res);
};
// What is asked of them, those of HTTP/2 can do as well.
const server = process.argv[4] === "http2" ? http2.createServer(handle as never) : http.createServer(handle);
// More come at once than the 511 that are Node's default.
await new Promise<void>((resolve) => server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, resolve));

let seq = 0;
let endProfile: (() => Promise<string>) | undefined;

const commands = {
  port: (): number => (server.address() as AddressInfo).port,

  /** Publishes so many events, in groups that come together; resolves with the number of the last. */
  async publish(count: number, together = 1): Promise<number> {
    const groups: Payload[][] = [];
    for (let left = count; left > 0; left -= together) groups.push(next(Math.min(left, together)));
    const last = seq;
    // Not one after the other: nobody who publishes waits for those who publish beside them.
    await Promise.all(groups.map((group) => contender.publish(group)));
    return last;
  },

  /**
   * Publishes so many events at so many a second, and watches its memory; it stops where that has grown by more than
   * `maxGrowth` bytes.
   */
  async pace(
    count: number,
    rate: number,
    maxGrowth = Infinity,
  ): Promise<{ last: number; published: number; growth: number }> {
    const before = process.memoryUsage.rss();
    const start = now();
    let growth = 0;
    let published = 0;
    while (published < count && growth < maxGrowth) {
      const wait = start + (published * 1000) / rate - now();
      if (wait > 0) await sleep(wait);
      await contender.publish(next(1));
      published++;
      growth = Math.max(growth, process.memoryUsage.rss() - before);
    }
    return { last: seq, published, growth };
  },

  /** What this process has used so far, user and system, in µs. */
  cpu(): number {
    const { user, system } = process.cpuUsage();
    return user + system;
  },

  /** After a collection, in bytes. */
  async memory(): Promise<NodeJS.MemoryUsage> {
    for (let i = 0; i < 5; i++) {
      globalThis.gc?.();
      // What is let go of in finalizers and on the next turn goes with the next collection.
      await sleep(100);
    }
    return process.memoryUsage();
  },

  connections: (): Promise<number> =>
    new Promise((resolve, reject) =>
      server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
    ),

  /** How many connections take nothing more at the moment. */
  full(): number {
    const isFull = (res: ServerResponse | Http2ServerResponse): boolean =>
      ("stream" in res ? res.stream : res.socket)?.writableNeedDrain === true;
    return [...responses].filter(isFull).length;
  },

  async startProfile(): Promise<void> {
    endProfile = await startProfile();
  },

  endProfile: async (): Promise<string | undefined> => endProfile?.(),
};

export type ServerCommands = typeof commands;

answer(commands);

function next(count: number): Payload[] {
  const at = Math.round(now() * 1000);
  return Array.from({ length: count }, () => payloadOf(++seq, at, eventBytes));
}
