// Speed of decoding, against eventsource-parser and the physical limit, in one process: `pnpm --filter ./bench decode`.
import { createDecoder, decodeEventStream, EventDecoderStream } from "@sluice/core";
import { createParser } from "eventsource-parser";
import { EventSourceParserStream } from "eventsource-parser/stream";

const EVENTS = 200_000;
const payload = JSON.stringify({
  id: "chatcmpl-9aBcDeFgHiJkLmNo",
  object: "chat.completion.chunk",
  created: 1_700_000_000,
  model: "gpt-4o",
  choices: [{ index: 0, delta: { content: " word" }, finish_reason: null }],
});
const event = `data: ${payload.padEnd(180)}\n\n`; // 188 bytes
const eventsWire = new TextEncoder().encode(event.repeat(EVENTS));

/** What was read: how many events, and a checksum of their data. */
interface Tally {
  events: number;
  checksum: number;
}

type Chunks = readonly Uint8Array<ArrayBuffer>[];
type Contestant = readonly [name: string, read: (chunks: Chunks) => Tally | Promise<Tally>];

const limit: Contestant = ["limit: TextDecoder and a scan for LF", scan];
const contestants: readonly Contestant[] = [
  limit,
  ["eventsource-parser, push", pushTheirs],
  ["Sluice, push", pushOurs],
  [
    "eventsource-parser, TransformStream",
    (chunks) => drain(streamOf(chunks).pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream())),
  ],
  ["Sluice, EventDecoderStream", (chunks) => drain(streamOf(chunks).pipeThrough(new EventDecoderStream()))],
  ["Sluice, decodeEventStream", (chunks) => drain(decodeEventStream(streamOf(chunks)))],
];

await speeds();
await afterCollections();
await worstCases();
await pinned();

async function speeds(): Promise<void> {
  console.log(
    `Million events of 188 bytes a second, and in brackets the ratio to eventsource-parser of the same kind; medians.\n`,
  );
  const table = new Map<string, string[]>(contestants.map(([name]) => [name, []]));
  for (const size of [65_536, event.length, 16]) {
    const rounds = size === 16 ? 3 : 11;
    const medians = await race(contestants, chunksOf(eventsWire, size), rounds);
    const rate = (name: string): number => EVENTS / 1000 / (medians.get(name) as number);
    for (const [name, row] of table) {
      const rival = name.includes("push") ? "eventsource-parser, push" : "eventsource-parser, TransformStream";
      row.push(
        name.startsWith("Sluice")
          ? `${rate(name).toFixed(2)} (${(rate(name) / rate(rival)).toFixed(2)})`
          : rate(name).toFixed(2),
      );
    }
  }
  print(
    ["", "64 KiB chunks", "one event a chunk", "16-byte chunks"],
    [...table].map(([name, row]) => [name, ...row]),
  );
}

/** As in a process that waits between two answers of a model: nothing is alive of the decoder that read the last one. */
async function afterCollections(): Promise<void> {
  const lines = `${"data: a line of some sixty characters, as a log or a file has\n".repeat(1000)}\n`;
  const cases: readonly (readonly [title: string, wire: string])[] = [
    ["short events of 188 bytes", event.repeat(EVENTS / 2)],
    ["the same, with id and type", `id: 123456\nevent: delta\n${event}`.repeat(EVENTS / 2)],
    ["a thousand lines of data an event", lines.repeat(300)],
  ];
  console.log("\nWith a full collection before each run, in ms; medians.\n");
  const push = contestants.filter(([name]) => name.includes("push"));
  const rows: string[][] = [];
  for (const [title, wire] of cases) {
    const medians = await race(push, chunksOf(new TextEncoder().encode(wire), 65_536), 11, heapUsed);
    rows.push([title, ...push.map(([name]) => (medians.get(name) as number).toFixed(0))]);
  }
  print(["", ...push.map(([name]) => name)], rows);
}

async function worstCases(): Promise<void> {
  const mebi = 1024 * 1024;
  const cases: readonly (readonly [title: string, wire: string, chunk: number])[] = [
    ["a line of 4 MiB in 64-byte chunks", `data: ${"x".repeat(4 * mebi)}\n\n`, 64],
    ["a line of 4 MiB in 1-byte chunks", `data: ${"x".repeat(4 * mebi)}\n\n`, 1],
    ["a million lines `data:a` in one event", `${"data:a\n".repeat(1_000_000)}\n`, 65_536],
    ["a million lines `data` in one event", `${"data\n".repeat(1_000_000)}\n`, 65_536],
    ["a million unknown lines", "a\n".repeat(1_000_000), 65_536],
    ["CR only, half a million events", "data:a\r\r".repeat(500_000), 65_536],
    ["500 events of 64 KiB", `data: ${"x".repeat(65_536)}\n\n`.repeat(500), 65_536],
  ];
  console.log("\nWorst cases, in ms; medians.\n");
  const push = contestants.filter(([name]) => name.includes("push"));
  const rows: string[][] = [];
  for (const [title, wire, chunk] of cases) {
    const medians = await race(push, chunksOf(new TextEncoder().encode(wire), chunk), 5);
    rows.push([title, ...push.map(([name]) => (medians.get(name) as number).toFixed(0))]);
  }
  print(["", ...push.map(([name]) => name)], rows);
}

async function pinned(): Promise<void> {
  console.log("\nBytes kept alive by one kept `data` of 180 characters from each chunk of 64 KiB.\n");
  print(
    ["", "bytes"],
    [
      ["eventsource-parser, push", (await pinnedBy(theirs)).toFixed(0)],
      ["Sluice, push", (await pinnedBy(ours)).toFixed(0)],
    ],
  );
}

async function pinnedBy(read: typeof ours): Promise<number> {
  const chunk = [eventsWire.subarray(0, 65_536)];
  const kept: string[] = [];
  const before = await heapUsed();
  while (kept.length < 400) {
    let nth = 0;
    read(chunk, ({ data }) => nth++ === 100 && kept.push(data));
  }
  return ((await heapUsed()) - before) / kept.length;
}

async function heapUsed(): Promise<number> {
  const { gc } = globalThis as { gc?: () => void };
  // A turn of the loop lets go of what the stack still held.
  await new Promise((resolve) => setTimeout(resolve, 10));
  gc?.();
  return process.memoryUsage().heapUsed;
}

/** Runs the contestants in turn, so that a slow moment of the machine is shared, and checks what they read. */
async function race(
  of: readonly Contestant[],
  chunks: Chunks,
  rounds: number,
  prepare: () => unknown = () => {},
): Promise<Map<string, number>> {
  const times = new Map<string, number[]>(of.map(([name]) => [name, []]));
  const expected = JSON.stringify(pushTheirs(chunks));
  for (let round = 0; round < rounds; round++) {
    for (const [name, read] of of) {
      await prepare();
      const start = performance.now();
      const tally = await read(chunks);
      (times.get(name) as number[]).push(performance.now() - start);
      const actual = JSON.stringify(tally);
      if (name !== limit[0] && actual !== expected) throw new Error(`${name} read ${actual}, not ${expected}`);
    }
  }
  return new Map([...times].map(([name, all]) => [name, all.toSorted((a, b) => a - b)[all.length >> 1] as number]));
}

function scan(chunks: Chunks): Tally {
  const utf8 = new TextDecoder();
  let lines = 0;
  for (const chunk of chunks) {
    const text = utf8.decode(chunk);
    for (let lf = text.indexOf("\n"); lf !== -1; lf = text.indexOf("\n", lf + 1)) lines++;
  }
  return { events: lines / 2, checksum: 0 };
}

function pushTheirs(chunks: Chunks): Tally {
  const tally = { events: 0, checksum: 0 };
  theirs(chunks, ({ data }) => add(tally, data));
  return tally;
}

function pushOurs(chunks: Chunks): Tally {
  const tally = { events: 0, checksum: 0 };
  ours(chunks, ({ data }) => add(tally, data));
  return tally;
}

function theirs(chunks: Chunks, onEvent: (event: { readonly data: string }) => unknown): void {
  const utf8 = new TextDecoder();
  const parser = createParser({ onEvent });
  for (const chunk of chunks) parser.feed(utf8.decode(chunk, { stream: true }));
}

function ours(chunks: Chunks, onEvent: (event: { readonly data: string }) => unknown): void {
  const decoder = createDecoder({ onEvent });
  for (const chunk of chunks) decoder.push(chunk);
}

async function drain(events: AsyncIterable<{ readonly data: string }>): Promise<Tally> {
  const tally = { events: 0, checksum: 0 };
  for await (const { data } of events) add(tally, data);
  return tally;
}

function add(tally: Tally, data: string): void {
  tally.events++;
  tally.checksum = (Math.imul(tally.checksum, 31) + data.length + data.charCodeAt(data.length >> 1)) | 0;
}

function streamOf(chunks: Chunks): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      const chunk = chunks[at++];
      if (chunk === undefined) controller.close();
      else controller.enqueue(chunk);
    },
  });
}

function chunksOf(bytes: Uint8Array<ArrayBuffer>, size: number): Chunks {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
  return chunks;
}

function print(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  console.log([line(head), line(head.map((_, at) => (at === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n"));
}
