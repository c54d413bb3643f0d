import { createServer } from "node:http";
import type { Socket } from "node:net";
import { eventStream } from "@sluice/adapter-node";
import { createHub, memoryStore } from "@sluice/core";
import type { Channel } from "@sluice/core";
import { serveNode } from "@sluice/testkit";
import { EventSource as EventSourceOfPackage } from "eventsource";
import { EventSource as EventSourceOfUndici } from "undici";
import { launchBrowser } from "../browser/launch.ts";

/** What a client has seen, in order: the ids of events, and where it was told of a gap. */
export type History = string[];

const GAP = "gap";
const LAST = "last";

/**
 * Four producers write for so many seconds, while the connections of three kinds of client are cut at random.
 *
 * @returns the log, and what each client has made of it
 */
export async function dropAtRandom(
  seconds: number,
  maxEvents: number,
): Promise<{ log: string[]; histories: Record<string, History> }> {
  const hub = createHub({ store: memoryStore({ retention: { maxEvents } }), runBytes: 5000 });
  const channel = hub.channel("events");
  const stream = eventStream(channel, { start: "origin", retry: [1, 30] });
  const sockets = new Set<Socket>();
  const server = createServer((req, res) => {
    if (req.url === "/stream") return stream(req, res);
    res.setHeader("Content-Type", "text/html").end("<!doctype html><title>drops</title>");
  });
  server.on("connection", (socket) => {
    sockets.add(socket.on("close", () => sockets.delete(socket)));
  });
  const { url, close } = await serveNode(server);
  const { browser, close: closeBrowser } = await launchBrowser();
  try {
    const page = await browser.newPage();
    await page.goto(url);
    const histories = Promise.all([
      listen(() => new EventSourceOfPackage(`${url}/stream`)),
      listen(() => new EventSourceOfUndici(`${url}/stream`)),
      page.evaluate<History>(`(${listen.toString()})(() => new EventSource("/stream"))`),
    ]);
    const log = await produce(channel, seconds, () => cut(sockets));
    const [ofPackage, ofUndici, native] = await histories;
    return { log, histories: { "the eventsource package": ofPackage, undici: ofUndici, Chromium: native } };
  } finally {
    await closeBrowser();
    await hub.close();
    await close();
  }
}

/** @returns where the history is not what the log says; undefined where it is */
export function flaw(history: History, log: readonly string[]): string | undefined {
  let next = 0;
  let gaps = 0;
  for (const [at, id] of history.entries()) {
    if (id === GAP) {
      gaps++;
      continue;
    }
    const place = log.indexOf(id, next);
    if (place === -1) return `entry ${at}, ${id}, has been seen before, or is no event of the log`;
    if (place > next && history[at - 1] !== GAP)
      return `${place - next} events are missing before entry ${at}, and no gap says so`;
    next = place + 1;
  }
  return next === log.length ? undefined : `the last ${log.length - next} events are missing (${gaps} gaps)`;
}

/** Runs in this process and, as text, in a page: it uses nothing from outside. */
function listen(connect: () => unknown): Promise<History> {
  type Listener = (event: { readonly data: string; readonly lastEventId: string }) => void;
  const source = connect() as { addEventListener(type: string, listener: Listener): void; close(): void };
  return new Promise((resolve) => {
    const history: string[] = [];
    source.addEventListener("sluice.gap", () => history.push("gap"));
    source.addEventListener("message", ({ data, lastEventId }) => {
      history.push(lastEventId);
      if (data !== "last") return;
      source.close();
      resolve(history);
    });
  });
}

/** @returns the ids of all that was published, in the order of the log, which is the order of the ids */
async function produce(channel: Channel, seconds: number, disturb: () => void): Promise<string[]> {
  const ids: string[] = [];
  const until = performance.now() + seconds * 1000;
  const produceOne = async (producer: number): Promise<void> => {
    for (let n = 0; performance.now() < until; n++) {
      ids.push(await channel.publish({ data: `${producer}:${n}` }));
      await pause(Math.random() * 8);
    }
  };
  const disturbing = setInterval(disturb, 40);
  await Promise.all([0, 1, 2, 3].map(produceOne));
  clearInterval(disturbing);
  ids.push(await channel.publish({ data: LAST }));
  return ids.toSorted();
}

function cut(sockets: ReadonlySet<Socket>): void {
  for (const socket of sockets) {
    if (Math.random() < 0.7) continue;
    if (Math.random() < 0.5) socket.resetAndDestroy();
    else socket.destroy();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
