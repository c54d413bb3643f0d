// The clients of one contender, in a process of their own: `clients.ts CONTENDER EVENT_BYTES PORT PROTOCOL`.
import http2 from "node:http2";
import net from "node:net";
import type { Socket } from "node:net";
import { now } from "./clock.ts";
import { Reading, Reference } from "./reading.ts";
import { answer } from "./remote.ts";
import { dialects } from "./wire.ts";
import type { Name } from "./wire.ts";

const dialect = dialects[process.argv[2] as Name];
const reference = new Reference(dialect, Number(process.argv[3]));
const port = Number(process.argv[4]);
const isHttp2 = process.argv[5] === "http2";

/** So many connect at once: more than the kernel lets wait would be told a second later. */
const AT_ONCE = 500;
/** So many connections leave from one address, as its ports are few. */
const PER_ADDRESS = 20_000;

/** What has not come after so many ms is lost. */
const PATIENCE = 60_000;

/** All read into the same: what comes in is looked at before the next one reads. */
const buffer = Buffer.allocUnsafe(256 * 1024);
/** How many connections have had each event. */
const counts: number[] = [];
let clients: Client[] = [];
let stalled: Socket[] = [];
let opened = 0;
let latencies: number[] | undefined;
let awaited: { readonly seq: number; readonly resolve: () => void } | undefined;

interface Client {
  /** Vanishes. */
  reset(): void;
}

/** As much as HTTP/2 allows to be sent before it is acknowledged: what stops a server is then its socket. */
const MAX_WINDOW = 2 ** 31 - 1;

const commands = {
  /** Opens so many connections; resolves when all would get what is published. */
  async connect(count: number): Promise<void> {
    await inTurns(count, async () => {
      clients.push(await (isHttp2 ? openHttp2(reference.end) : open(reference.end)));
    });
  },

  /** Opens so many connections and reads nothing from them, ever. */
  async stall(count: number): Promise<void> {
    await inTurns(count, async () => {
      const socket = net.connect(port, "127.0.0.1");
      // Before it is connected: a socket that has begun to read goes on until its own buffer is full.
      socket.pause();
      socket.on("close", onClose);
      await new Promise((resolve) => socket.once("connect", resolve));
      socket.write(isHttp2 ? http2Request() : requestOf(""));
      stalled.push(socket);
    });
  },

  /** Resolves when all connections have had all events up to this one. */
  async reached(seq: number): Promise<void> {
    const count = (): number => counts[seq - 1] ?? 0;
    if (count() >= clients.length) return;
    const all = new Promise<void>((resolve) => (awaited = { seq, resolve }));
    await patiently(all, () => `Event ${seq} has come to ${count()} of ${clients.length} connections`);
  },

  /** Notes from now on how long each event has taken to each connection. */
  record(): void {
    latencies = [];
  },

  /** In ms, of all deliveries since `record`. */
  recorded(): { p50: number; p99: number } {
    const sorted = Float64Array.from(latencies ?? []).toSorted();
    latencies = undefined;
    const quantile = (q: number): number => sorted[Math.floor(q * sorted.length)] ?? NaN;
    return { p50: quantile(0.5), p99: quantile(0.99) };
  },

  /** Resets all connections at once, which leaves none of their ports in TIME_WAIT. */
  drop(): void {
    for (const client of clients) client.reset();
    for (const socket of stalled) socket.off("close", onClose).resetAndDestroy();
    clients = [];
    stalled = [];
  },

  /** Opens so many connections that had the last event known here before they were dropped. */
  async resume(count: number): Promise<void> {
    const { end, lastId } = reference;
    await inTurns(count, async () => {
      clients.push(await open(end, lastId));
    });
  },
};

export type ClientCommands = typeof commands;

answer(commands);

/** Resolves with a connection that is ready, and goes on from this byte of the channel's stream. */
function open(at: number, lastEventId = ""): Promise<Client> {
  return new Promise((resolve) => {
    const address = Math.floor(opened++ / PER_ADDRESS);
    const onReady = (): void => resolve({ reset: () => socket.off("close", onClose).resetAndDestroy() });
    const reading = new Reading(reference, dialect, { onReady, onEvents }, at);
    const socket = net.connect({
      port,
      host: "127.0.0.1",
      ...(address > 0 && { localAddress: `127.0.0.${1 + address}` }),
      onread: {
        buffer,
        callback(length) {
          reading.read(buffer, length);
          return true;
        },
      },
    });
    socket.on("connect", () => socket.write(requestOf(lastEventId)));
    socket.on("close", onClose);
  });
}

/** As {@link open}, on a session of its own. */
function openHttp2(at: number): Promise<Client> {
  return new Promise((resolve) => {
    const session = http2.connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: MAX_WINDOW } });
    session.on("connect", () => session.setLocalWindowSize(MAX_WINDOW));
    session.on("close", onClose);
    const onReady = (): void => resolve({ reset: () => session.off("close", onClose).destroy() });
    const reading = new Reading(reference, dialect, { onReady, onEvents }, at);
    const stream = session.request({ accept: "text/event-stream" });
    stream.on("response", ({ ":status": status }) => {
      if (status !== 200) throw new Error(`Refused: ${status}`);
    });
    stream.on("data", (chunk: Buffer) => reading.readBody(chunk, 0, chunk.length));
  });
}

/** All that a client has to say by HTTP/2 to be sent a stream: RFC 9113, sections 3.4 and 4.1, and RFC 7541, appendix A. */
function http2Request(): Buffer {
  const frame = (type: number, flags: number, stream: number, payload: Buffer): Buffer => {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head.writeUIntBE((type << 8) | flags, 3, 2);
    head.writeUInt32BE(stream, 5);
    return Buffer.concat([head, payload]);
  };
  const initialWindowSize = Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff]);
  const windowUpdate = Buffer.alloc(4);
  windowUpdate.writeUInt32BE(MAX_WINDOW - 65_535);
  // :method GET, :scheme http, :path /, and :authority with its value.
  const headers = Buffer.from("\x82\x86\x84\x41\x09localhost", "latin1");
  return Buffer.concat([
    Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    frame(4, 0, 0, initialWindowSize),
    frame(8, 0, 0, windowUpdate),
    frame(1, 5, 1, headers),
  ]);
}

function requestOf(lastEventId: string): string {
  const resume = lastEventId && `Last-Event-ID: ${lastEventId}\r\n`;
  return `GET / HTTP/1.1\r\nHost: localhost:${port}\r\nAccept: text/event-stream\r\n${resume}\r\n`;
}

function onClose(): never {
  throw new Error("The server has closed a connection");
}

function onEvents(from: number, to: number): void {
  const time = latencies === undefined ? 0 : now();
  for (let i = from; i < to; i++) {
    const count = (counts[i] ?? 0) + 1;
    counts[i] = count;
    latencies?.push(time - (reference.publishedAt[i] as number));
    if (awaited?.seq !== i + 1 || count < clients.length) continue;
    awaited.resolve();
    awaited = undefined;
  }
}

async function inTurns(count: number, work: () => Promise<void>): Promise<void> {
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await work();
  };
  const all = Promise.all(Array.from({ length: AT_ONCE }, worker));
  await patiently(all, () => `${clients.length + stalled.length} connections are ready, and not ${count} more`);
}

/** What does not come ends the process, and the run with it. */
async function patiently(coming: Promise<unknown>, missing: () => string): Promise<void> {
  const timer = setTimeout(() => {
    throw new Error(missing());
  }, PATIENCE);
  await coming;
  clearTimeout(timer);
}
