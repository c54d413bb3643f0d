import { expect, test } from "vitest";
import { Run } from "../src/run.ts";
import { endSegment, eventSegment, gapSegment, isToldByBytes } from "../src/segment.ts";
import type { Segment } from "../src/segment.ts";

const datas = [
  "",
  "one",
  "a\r\nb",
  "\uD800",
  "€😀".repeat(50),
  "x\ny\n",
  "z".repeat(3000),
  "\uFEFF",
  "€".repeat(12_000),
];

/** Of all kinds and sizes; what a position is, the numbers do not tell. */
function segmentOf(number: number): Segment {
  const id = `e.e${10_000 + number}aaaa`;
  if (number % 97 === 13) return gapSegment("c", "skipped", id);
  if (number % 211 === 50) return endSegment(id);
  const data = datas[number % datas.length] as string;
  const named = {
    ...(number % 3 === 0 && { event: `é${number % 2 === 0 ? "\uDC00" : ""}` }),
    ...(number % 5 === 0 && { key: `k${number}` }),
  };
  return eventSegment({ type: "event", id, channel: "c", ...named, data, at: number });
}

function shown(segments: readonly Segment[]): unknown {
  return segments.map(({ type, item, key, position, bytes }) => ({
    type,
    item,
    key,
    position,
    bytes: [...bytes].join(),
  }));
}

test("a run gives back what was put in, from every place, until it lets it go", () => {
  const maxBytes = 200_000;
  const run = new Run("c", maxBytes, "e.e10000aaaa");
  const all: Segment[] = [];
  for (let number = 0; number < 2000; number++) {
    const segment = segmentOf(number + 1);
    all.push(segment);
    run.push(segment);
    expect(run.next).toBe(all.length);
    if (number % 101 !== 0 && number !== 1999) continue;

    const cost = (segments: readonly Segment[]): number =>
      segments.reduce((sum, each) => {
        const { bytes, key = "" } = each;
        const untold = each.type === "event" && !isToldByBytes(each.item) ? each.item.data.length : 0;
        return sum + bytes.length + 400 + 2 * (key.length + untold);
      }, 0);
    const kept = all.slice(run.first);
    expect(cost(kept)).toBeLessThanOrEqual(maxBytes);
    if (run.first > 0) expect(cost(all.slice(run.first - 1))).toBeGreaterThan(maxBytes);
    expect(run.typeOf(run.first - 1)).toBe(undefined);
    expect(run.typeOf(run.next)).toBe(undefined);
    for (let place = run.first; place < run.next; place++) expect(run.typeOf(place)).toBe(all[place]?.type);
    for (let place = run.first; place <= run.next; place++) {
      expect(run.positionAt(place)).toBe(all[place - 1]?.position ?? "e.e10000aaaa");
    }
    expect(shown(run.segmentsFrom(run.first))).toEqual(shown(kept));
    expect(run.segmentsFrom(run.next)).toEqual([]);
  }
});

test("what is taken is as much as may be, and at least one, and no more than up to an end", () => {
  const run = new Run("c", 10_000_000, "origin");
  const all = Array.from({ length: 400 }, (_, i) => segmentOf(i + 1));
  for (const segment of all) run.push(segment);
  for (let place = 0; place <= all.length; place += 9) {
    for (const maxBytes of [1, 500, 20_000, 100_000]) {
      const batch = run.take(place, maxBytes);
      const taken = all.slice(place, place + batch.count);
      const following = all[place + batch.count];
      const length = (segments: readonly Segment[]): number =>
        segments.reduce((sum, { bytes }) => sum + bytes.length, 0);
      if (batch.count > 1) expect(length(taken)).toBeLessThanOrEqual(maxBytes);
      expect(taken.slice(0, -1).some(({ type }) => type === "end")).toBe(false);
      if (following !== undefined && taken.at(-1)?.type !== "end") {
        expect(batch.count).toBeGreaterThan(0);
        expect(length([...taken, following])).toBeGreaterThan(maxBytes);
      }
      expect(batch.from).toBe(all[place - 1]?.position ?? "origin");
      expect(batch.last?.type).toBe(taken.at(-1)?.type);
      expect(batch.last?.position).toBe(taken.at(-1)?.position);
      expect(batch.events).toBe(taken.filter(({ type }) => type === "event").length);
      expect(batch.hasGap).toBe(taken.some(({ type }) => type === "gap"));
      expect(shown(batch.segments)).toEqual(shown(taken));
      expect(batch.bytes).toEqual(new Uint8Array(taken.flatMap(({ bytes }) => [...bytes])));
    }
  }
});

test("bytes that were taken stay what they are, whatever comes and goes afterwards", () => {
  const run = new Run("c", 50_000, "origin");
  const held: { readonly bytes: Uint8Array; readonly copy: string }[] = [];
  for (let number = 1; number < 1000; number++) {
    run.push(segmentOf(number));
    const { bytes } = run.take(Math.max(run.first, run.next - (number % 7)), 30_000);
    if (number % 10 === 0) held.push({ bytes, copy: [...bytes].join() });
  }
  for (const { bytes, copy } of held) expect([...bytes].join() === copy).toBe(true);
});

test("a channel that is quiet has little memory, and a socket that stalls keeps no more than a piece", () => {
  const run = new Run("c", 1_048_576, "origin");
  const event = (number: number): Segment =>
    eventSegment({ type: "event", id: `e.d${1000 + number}aaaa`, channel: "c", data: "x".repeat(100), at: 1 });
  run.push(event(0));
  expect(run.take(0, 65_536).bytes.buffer.byteLength).toBeLessThanOrEqual(1024);
  for (let number = 1; number < 1000; number++) {
    run.push(event(number));
    expect(run.take(number, 65_536).bytes.buffer.byteLength).toBeLessThanOrEqual(16_384);
  }
});

test.each(["x".repeat(1100), `é${"x".repeat(1100)}`, "€".repeat(400)])(
  "small events share pieces, whatever is in them: %#",
  (data) => {
    const run = new Run("c", 1_048_576, "origin");
    const buffers = new Set<ArrayBuffer>();
    for (let number = 0; number < 600; number++) {
      run.push(eventSegment({ type: "event", id: `e.d${1000 + number}aaaa`, channel: "c", data, at: 1 }));
      buffers.add(run.take(number, 1).bytes.buffer);
    }
    expect(buffers.size).toBeLessThan(70);
  },
);
