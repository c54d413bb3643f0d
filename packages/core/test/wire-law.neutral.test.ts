import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createDecoder, encodeEvent, SluiceError } from "../src/index.ts";
import type { ServerSentEvent } from "../src/index.ts";
import { GeneratedEvents } from "./generated-events.ts";
import { referenceReading } from "./reference-reader.ts";

const { process } = globalThis as { process?: { env: Record<string, string | undefined> } };
const wanted = Number(process?.env["SLUICE_LAW_EVENTS"] ?? 20_000);
const utf8 = new TextEncoder();

/** What the wire can carry of a text: CR and CRLF are LF, a lone surrogate is U+FFFD. */
const carried = (text: string): string => text.replace(/\r\n?/g, "\n").toWellFormed();

describe("the law of the wire: decode(encode(event)) is the event", () => {
  test(`for ${wanted.toLocaleString("en")} generated events, at random splits §stream-line-ends §stream-any-char`, () => {
    const seed = 20_260_801;
    const source = new GeneratedEvents(seed);
    const batch = 100;
    for (let count = 0; count < wanted; count += batch) {
      const events = Array.from({ length: batch }, () => source.next());
      const bytes = utf8.encode(events.map(encodeEvent).join(""));
      const expected = events.flatMap(signalsOf).join("\n");
      const sizes = 1 << source.below(14);
      const actual = decoded(bytes, () => 1 + source.below(sizes)).join("\n");
      if (actual !== expected) expect(actual, `seed ${seed}, events from ${count}`).toBe(expected);
    }
  }, 300_000);

  const text = fc.string({
    unit: fc.constantFrom("\n", "\r", "\0", ":", " ", "a", "é", "😀", "\ud800", "\udc00", "\uFEFF"),
  });
  const arbitraryText = fc.oneof(text, fc.string({ unit: "binary" }), fc.string());
  const arbitraryEvent = fc.record(
    {
      event: arbitraryText,
      data: arbitraryText,
      id: arbitraryText,
      retry: fc.oneof(fc.maxSafeNat(), fc.double(), fc.integer()).map((time) => time + 0),
      comment: arbitraryText,
    },
    { requiredKeys: [] },
  );
  const arbitrarySizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 });

  test("or encode refuses it, naming the field", () => {
    fc.assert(
      fc.property(arbitraryEvent, arbitrarySizes, (event, sizes) => {
        let encoded: string;
        try {
          encoded = encodeEvent(event);
        } catch (error) {
          expect(error).toBeInstanceOf(SluiceError);
          expect((error as SluiceError).code).toBe("invalid-field");
          return;
        }
        let at = 0;
        const size = (): number => sizes[at++ % sizes.length] as number;
        expect(decoded(utf8.encode(encoded), size)).toEqual(signalsOf(event));
      }),
      { numRuns: 3_000 },
    );
  });

  test("and a reader that is not ours reads the same", () => {
    fc.assert(
      fc.property(fc.array(arbitraryEvent), (events) => {
        const valid = events.filter(isEncodable);
        const reading = referenceReading(utf8.encode(valid.map(encodeEvent).join("")));
        const dispatched = valid.filter(({ data }) => data !== undefined);
        expect(reading.events).toEqual(
          dispatched.map(({ event, data, id }) => ({
            ...(event === undefined ? {} : { event: event.toWellFormed() }),
            ...(id === undefined ? {} : { id: id.toWellFormed() }),
            data: carried(data as string),
          })),
        );
        expect(reading.lastEventId).toBe(valid.findLast(({ id }) => id !== undefined)?.id?.toWellFormed() ?? "");
        expect(reading.reconnectionTime).toBe(valid.findLast(({ retry }) => retry !== undefined)?.retry);
      }),
      { numRuns: 1_000 },
    );
  });

  test("any bytes at all are read the same at any split", () => {
    const wire = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc
        .array(fc.constantFrom("data", "id", "event", "retry", ":", " ", "\n", "\r", "\uFEFF", "€", "1"))
        .map((parts) => utf8.encode(parts.join(""))),
    );
    fc.assert(
      fc.property(wire, arbitrarySizes, (bytes, sizes) => {
        let at = 0;
        const split = decoded(bytes, () => sizes[at++ % sizes.length] as number);
        expect(split).toEqual(decoded(bytes, () => Infinity));
      }),
      { numRuns: 3_000 },
    );
  });
});

/** What a reader is told, in order, one line of JSON for each callback. */
function decoded(bytes: Uint8Array, size: () => number): string[] {
  const signals: string[] = [];
  const decoder = createDecoder({
    onEvent: ({ event, data, id }) => signals.push(JSON.stringify({ event, data, id })),
    onId: (id) => signals.push(JSON.stringify({ lastEventId: id })),
    onRetry: (retry) => signals.push(JSON.stringify({ retry })),
    onComment: (comment) => signals.push(JSON.stringify({ comment })),
  });
  for (let at = 0; at < bytes.length;) {
    const end = at + size();
    decoder.push(bytes.subarray(at, end));
    at = end;
  }
  return signals;
}

/** What a reader of the event should be told: comments and retry at their lines, then the id, then the event. */
function signalsOf({ event, data, id, retry, comment }: ServerSentEvent<string>): string[] {
  const signals: unknown[] =
    comment === undefined
      ? []
      : carried(comment)
          .split("\n")
          .map((line) => ({ comment: line }));
  if (retry !== undefined) signals.push({ retry });
  if (id !== undefined) signals.push({ lastEventId: id.toWellFormed() });
  if (data !== undefined) {
    signals.push({ event: event?.toWellFormed(), data: carried(data), id: id?.toWellFormed() });
  }
  return signals.map((signal) => JSON.stringify(signal));
}

function isEncodable(event: ServerSentEvent<string>): boolean {
  try {
    encodeEvent(event);
    return true;
  } catch {
    return false;
  }
}
