import { describe, expect, test } from "vitest";
import { createDecoder } from "../src/index.ts";
import type { DecodeOptions, Decoder, DecoderOptions } from "../src/index.ts";
import { referenceReading } from "./reference-reader.ts";

/** What came out of a decoder, in order, as `event`, `id`, `retry` and `comment`, and the last event ID at the end. */
type Trace = readonly (readonly [kind: "event" | "id" | "retry" | "comment" | "last", value: unknown])[];

interface Case {
  /** A sentence, with the clauses it is about. */
  readonly title: string;
  readonly wire: string | Uint8Array;
  readonly trace: Trace;
  readonly options?: DecodeOptions;
}

const event = (data: string, more: { event?: string; id?: string } = {}): Trace[number] => ["event", { data, ...more }];
const last = (id: string): Trace[number] => ["last", id];
const bytesOf = (wire: string | Uint8Array): Uint8Array =>
  typeof wire === "string" ? new TextEncoder().encode(wire) : wire;
const concat = (...parts: readonly (string | readonly number[])[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === "string" ? [...bytesOf(part)] : part)));

const BOM = "\uFEFF";

const cases: readonly Case[] = [
  // Lines
  { title: "an event ends at an empty line §line-empty", wire: "data: a\n\n", trace: [event("a")] },
  {
    title: "LF, CR and CRLF each end a line §stream-line-ends",
    wire: "data: a\r\rdata: b\r\n\r\ndata: c\n\n",
    trace: [event("a"), event("b"), event("c")],
  },
  {
    title: "the three line ends may be mixed in one event §stream-line-ends",
    wire: "data: a\rdata: b\ndata: c\r\n\n",
    trace: [event("a\nb\nc")],
  },
  {
    title: "LF CR is two line ends, CRLF one §stream-line-ends",
    wire: "data: a\n\rdata: b\r\ndata: c\r\n\r\n",
    trace: [event("a"), event("b\nc")],
  },
  {
    title: "CR CRLF is two line ends §stream-line-ends",
    wire: "data: a\r\r\ndata: b\n\n",
    trace: [event("a"), event("b")],
  },
  {
    title: "events come in the order of their lines §order",
    wire: "id: 1\n:c\nretry: 5\ndata: a\n\ndata: b\n\n",
    trace: [["comment", "c"], ["retry", 5], ["id", "1"], event("a", { id: "1" }), event("b"), last("1")],
  },
  { title: "blank lines alone dispatch nothing §dispatch-no-data", wire: "\n\n\r\r\n\n", trace: [] },
  {
    title: "other control characters and Unicode line ends do not end a line §stream-any-char",
    wire: "data: a\u0085b\u2028c\u2029d\ve\ff\0g\n\n",
    trace: [event("a\u0085b\u2028c\u2029d\ve\ff\0g")],
  },

  // The colon and the space
  {
    title: "one space after the colon is not of the value §line-field",
    wire: "data:a\ndata: b\ndata:  c\ndata:\td\n\n",
    trace: [event("a\nb\n c\n\td")],
  },
  {
    title: "a space before the colon is of the name §line-field §field-unknown",
    wire: "data : a\n data: b\n\tdata: c\n\n",
    trace: [],
  },
  { title: "the first colon ends the name §line-field", wire: "data:a:b: c\ndata::\n\n", trace: [event("a:b: c\n:")] },
  { title: "a value of one space is empty §line-field", wire: "data: \n\n", trace: [event("")] },
  { title: "spaces at the end of a value stay §line-field", wire: "data: a  \n\n", trace: [event("a  ")] },
  {
    title: "a name without a colon has an empty value §line-no-colon",
    wire: "data\n\ndata\ndata\n\n",
    trace: [event(""), event("\n")],
  },
  {
    title: "`event` and `id` without a colon reset §line-no-colon §field-event §field-id",
    wire: "event: x\nevent\nid: 1\nid\ndata\n\n",
    trace: [["id", ""], event("", { id: "" }), last("")],
  },
  {
    title: "a line that starts with a colon is a comment §line-comment",
    wire: ":\n: a\n:a\n:  a\n::a\n:data: a\n\n",
    trace: [
      ["comment", ""],
      ["comment", "a"],
      ["comment", "a"],
      ["comment", " a"],
      ["comment", ":a"],
      ["comment", "data: a"],
    ],
  },
  {
    title: "a comment between the lines of an event changes nothing §line-comment",
    wire: "data: a\n: c\ndata: b\n\n",
    trace: [["comment", "c"], event("a\nb")],
  },

  // Names
  {
    title: "unknown fields are ignored §field-unknown",
    wire: "foo: a\ndataset: b\ndat: c\nd: e\ni: f\neventual: g\nretrying: 1\nids: 1\n-\ndata: a\n\n",
    trace: [event("a")],
  },
  {
    title: "field names are case sensitive §field-name-literal",
    wire: "Data: a\nDATA: b\nEvent: x\nID: 1\nRetry: 5\ndata: c\n\n",
    trace: [event("c")],
  },
  {
    title: "any character but a line end and a colon may be in a name §stream-name-char",
    wire: "d\0ata: a\n€data: b\ndata\u00A0: c\n\n",
    trace: [],
  },
  { title: "a name that is cut by a line end is another name §field-unknown", wire: "da\nta: a\n\n", trace: [] },

  // data
  {
    title: "each data line adds a line §field-data",
    wire: "data: a\ndata: b\ndata\ndata:\ndata: c\n\n",
    trace: [event("a\nb\n\n\nc")],
  },
  {
    title: "only the last LF is removed from the data §dispatch-last-lf",
    wire: "data: a\ndata:\ndata:\n\n",
    trace: [event("a\n\n")],
  },
  {
    title: "empty data is data §dispatch-last-lf §dispatch-no-data",
    wire: "data:\n\ndata\n\n",
    trace: [event(""), event("")],
  },
  {
    title: "data does not spill into the next event §dispatch-resets",
    wire: "data: a\ndata: b\n\ndata: c\n\n",
    trace: [event("a\nb"), event("c")],
  },
  { title: "NUL is data §stream-any-char", wire: "data: \0\n\n", trace: [event("\0")] },

  // event
  {
    title: "`event` names the type of one event §field-event §dispatch-type §dispatch-resets",
    wire: "event: x\ndata: a\n\ndata: b\n\n",
    trace: [event("a", { event: "x" }), event("b")],
  },
  {
    title: "the last `event` counts, after the data too §field-event",
    wire: "event: x\ndata: a\nevent: y\n\n",
    trace: [event("a", { event: "y" })],
  },
  {
    title: "an empty `event` resets the type §field-event §dispatch-type",
    wire: "event: x\nevent:\ndata: a\n\n",
    trace: [event("a")],
  },
  {
    title: "`message` may be said §dispatch-type",
    wire: "event: message\ndata: a\n\n",
    trace: [event("a", { event: "message" })],
  },
  { title: "a type without data is forgotten §dispatch-no-data", wire: "event: x\n\ndata: a\n\n", trace: [event("a")] },
  {
    title: "a type keeps its second space §line-field",
    wire: "event:  x \ndata\n\n",
    trace: [event("", { event: " x " })],
  },

  // id
  {
    title: "an id belongs to its event, and stays the last one §field-id §dispatch-id-stays",
    wire: "id: 1\ndata: a\n\ndata: b\n\n",
    trace: [["id", "1"], event("a", { id: "1" }), event("b"), last("1")],
  },
  {
    title: "an id without data moves the last event ID §dispatch-id-first",
    wire: "id: 7\n\n",
    trace: [["id", "7"], last("7")],
  },
  {
    title: "an empty id resets §field-id",
    wire: "id: 1\n\nid:\ndata: a\n\n",
    trace: [["id", "1"], ["id", ""], event("a", { id: "" }), last("")],
  },
  {
    title: "the last id of an event counts §field-id",
    wire: "id: 1\nid: 2\ndata: a\n\n",
    trace: [["id", "2"], event("a", { id: "2" }), last("2")],
  },
  {
    title: "an id with NUL is ignored §field-id-nul",
    wire: "id: 1\n\nid: 2\0\ndata: a\n\nid: \0\n\n",
    trace: [["id", "1"], event("a"), last("1")],
  },
  {
    title: "an id with NUL leaves the id before it §field-id-nul",
    wire: "id: 1\nid: a\0b\ndata: a\n\n",
    trace: [["id", "1"], event("a", { id: "1" }), last("1")],
  },
  {
    title: "an id that has not met its empty line does not count §end-discards",
    wire: "id: 1\n\nid: 2\n",
    trace: [["id", "1"], last("1")],
  },
  { title: "an id may be any text §field-id", wire: "id: é😀 : x\n\n", trace: [["id", "é😀 : x"], last("é😀 : x")] },

  // retry
  {
    title: "`retry` sets the reconnection time at once §field-retry",
    wire: "retry: 3000\nretry:0\nretry: 007\n",
    trace: [
      ["retry", 3000],
      ["retry", 0],
      ["retry", 7],
    ],
  },
  {
    title: "`retry` that is not digits only is ignored §field-retry-other",
    wire: "retry: -1\nretry: +1\nretry: 1.5\nretry: 1e3\nretry: 0x10\nretry:  1\nretry: 1 \nretry:\nretry\nretry: ١\nretry: a\n\n",
    trace: [],
  },
  {
    title: "a `retry` beyond what a number holds is the greatest safe integer §field-retry",
    wire: `retry: ${"9".repeat(400)}\nretry: 9007199254740993\n`,
    trace: [
      ["retry", Number.MAX_SAFE_INTEGER],
      ["retry", Number.MAX_SAFE_INTEGER],
    ],
  },

  // The start
  { title: "one byte order mark at the start is ignored §stream-bom", wire: `${BOM}data: a\n\n`, trace: [event("a")] },
  {
    title: "a second byte order mark is of the name §stream-bom §stream-bom-elsewhere",
    wire: `${BOM}${BOM}data: a\n\ndata: b\n\n`,
    trace: [event("b")],
  },
  {
    title: "a byte order mark in a value stays §stream-bom-elsewhere",
    wire: `data: ${BOM}a${BOM}\n\ndata:${BOM}\n\n`,
    trace: [event(`${BOM}a${BOM}`), event(BOM)],
  },
  {
    title: "a byte order mark at the start of a later line is of the name §stream-bom-elsewhere",
    wire: `data: a\n${BOM}data: b\n\n`,
    trace: [event("a")],
  },
  { title: "a byte order mark before an empty line §stream-bom", wire: `${BOM}\r\ndata: a\n\n`, trace: [event("a")] },
  { title: "a byte order mark alone is nothing §stream-bom", wire: BOM, trace: [] },
  {
    title: "the beginning of a byte order mark is not one §stream-bom §stream-utf8",
    wire: concat([0xef, 0xbb], "\ndata: a\n\n"),
    trace: [event("a")],
  },
  { title: "nothing is nothing", wire: "", trace: [] },

  // UTF-8
  { title: "characters of two, three and four bytes §stream-utf8", wire: "data: é€😀\n\n", trace: [event("é€😀")] },
  {
    title: "bytes that are not UTF-8 become U+FFFD §stream-utf8",
    wire: concat("data: a", [0xff], "b", [0xc3], "(", [0x80], "\n\n"),
    trace: [event("a\uFFFDb\uFFFD(\uFFFD")],
  },
  {
    title: "a character cut short by a line end becomes U+FFFD §stream-utf8",
    wire: concat("data: ", [0xf0, 0x9f, 0x98], "\n\ndata: ", [0xe2, 0x82], "\r\rdata: b\n\n"),
    trace: [event("\uFFFD"), event("\uFFFD"), event("b")],
  },
  {
    title: "surrogates and overlong forms in bytes become U+FFFD §stream-utf8",
    wire: concat("data: ", [0xed, 0xa0, 0x80], [0xc0, 0x8a], "\n\n"),
    trace: [event("\uFFFD".repeat(5))],
  },

  // The end
  {
    title: "an event without its empty line is discarded §end-discards",
    wire: "data: a\n\ndata: b\n",
    trace: [event("a")],
  },
  { title: "a line without its end is discarded §end-discards", wire: "data: a\n\ndata: b", trace: [event("a")] },
  { title: "a comment without its end is discarded §end-discards", wire: ": a", trace: [] },
  { title: "a CR at the end of the stream ends its line §stream-line-ends", wire: "data: a\r\r", trace: [event("a")] },
  {
    title: "with unfinished: deliver, an event without its empty line comes",
    wire: "id: 1\nevent: x\ndata: a\n",
    options: { unfinished: "deliver" },
    trace: [["id", "1"], event("a", { event: "x", id: "1" }), last("1")],
  },
  {
    title: "with unfinished: deliver, a line without its end comes",
    wire: "data: a\ndata: b",
    options: { unfinished: "deliver" },
    trace: [event("a\nb")],
  },
  {
    title: "with unfinished: deliver, the bytes of half a character come as U+FFFD",
    wire: concat("data: a", [0xe2, 0x82]),
    options: { unfinished: "deliver" },
    trace: [event("a\uFFFD")],
  },
  {
    title: "with unfinished: deliver, nothing is made of nothing",
    wire: "data: a\n\n",
    options: { unfinished: "deliver" },
    trace: [event("a")],
  },
  {
    title: "a decoder may start from a last event ID §dispatch-id-stays",
    wire: "data: a\n\n",
    options: { lastEventId: "41" },
    trace: [event("a"), last("41")],
  },
];

describe("a decoder, at every split of", () => {
  for (const { title, wire, trace, options } of cases) {
    test(title, () => {
      const bytes = bytesOf(wire);
      const expected = trace.some(([kind]) => kind === "last") ? trace : [...trace, last("")];
      expect(traceOf([bytes], options), "whole").toEqual(expected);
      expect(
        traceOf(
          split(bytes, () => 1),
          options,
        ),
        "byte by byte",
      ).toEqual(expected);
      for (let at = 0; at <= bytes.length; at++) {
        const chunks = [bytes.subarray(0, at), bytes.subarray(at)];
        expect(traceOf(chunks, options), `split at byte ${at}`).toEqual(expected);
      }
      const random = randomFrom(title.length);
      for (let run = 0; run < 40; run++) {
        const chunks = split(bytes, () => random(run % 2 === 0 ? 4 : 16));
        expect(traceOf(chunks, options), `split into ${chunks.map((chunk) => chunk.length).join()}`).toEqual(expected);
      }
    });

    const characters = typeof wire === "string" ? wire : undefined;
    if (characters === undefined) continue;
    test(`${title} (strings)`, () => {
      const expected = trace.some(([kind]) => kind === "last") ? trace : [...trace, last("")];
      for (let at = 0; at <= characters.length; at++) {
        expect(traceOf([characters.slice(0, at), characters.slice(at)], options), `split at ${at}`).toEqual(expected);
      }
      expect(traceOf(Array.from(characters), options), "one by one").toEqual(expected);
    });
  }
});

test("any bytes are read as the Standard reads them, at random splits §stream-utf8 §order §line-field", () => {
  const parts = ["data: a", "data", "data:", "event: x", "event", "id: 1", "id", "id: a\0b", ": c", "\n", "\n\n", "\r"];
  parts.push("\r\n", "é", "€", "😀", BOM, "x", " ", "data: ", "retry: 5", "retry: 5x", "data: hello\n\n", "\0");
  const random = randomFrom(7);
  for (let run = 0; run < 30_000; run++) {
    const bytes = bytesOf(Array.from({ length: random(14) }, () => parts[random(parts.length) - 1]).join(""));
    if (random(3) === 1 && bytes.length > 0) bytes[random(bytes.length) - 1] = 127 + random(128);
    const wanted = referenceReading(bytes);
    const events: unknown[] = [];
    const decoder = createDecoder({ onEvent: (decoded) => events.push(decoded) });
    for (const chunk of split(bytes, () => random(run % 2 === 0 ? 3 : 30))) decoder.push(chunk);
    const { lastEventId, reconnectionTime } = decoder;
    if (JSON.stringify(events.map(sorted)) === JSON.stringify(wanted.events.map(sorted))) {
      if (lastEventId === wanted.lastEventId && reconnectionTime === wanted.reconnectionTime) continue;
    }
    expect({ events, lastEventId, reconnectionTime }, JSON.stringify([...bytes])).toEqual(wanted);
  }
});

test("a CR ends its line at once, and the event does not wait for what follows §stream-buffering", () => {
  const seen: string[] = [];
  const decoder = createDecoder({ onEvent: ({ data }) => seen.push(data) });
  decoder.push("data: a\r\r");
  expect(seen).toEqual(["a"]);
  decoder.push("\n");
  decoder.push("data: b\r\n\r");
  expect(seen).toEqual(["a", "b"]);
  decoder.push("\ndata: c\n\n");
  expect(seen).toEqual(["a", "b", "c"]);
});

test("an LF after a CR is swallowed across empty chunks §stream-line-ends", () => {
  const trace = traceOf(["data: a\r", "", new Uint8Array(), "\ndata: b\n\n"]);
  expect(trace).toEqual([event("a\nb"), last("")]);
});

test("chunks may be bytes, buffers, views and strings, in turn", () => {
  const bytes = bytesOf("a\n\ndata: b\n\n");
  const around = concat([0, 0], [...bytes], [0]);
  const chunks = ["data: ", around.subarray(2, -1), bytesOf("data: c").buffer as ArrayBuffer, "\n\n"];
  expect(traceOf(chunks)).toEqual([event("a"), event("b"), event("c"), last("")]);
  const view = new DataView(around.buffer, 2, bytes.length);
  const decoder = createDecoder();
  decoder.push("id: ");
  decoder.push(view as unknown as Uint8Array);
  expect(decoder.lastEventId).toBe("a");
});

test("a string ends the character that the bytes before it had begun §stream-utf8", () => {
  expect(traceOf([concat("data: ", [0xe2, 0x82]), "x\n\n"])).toEqual([event("\uFFFDx"), last("")]);
});

test("a chunk that is neither bytes nor a string is refused", () => {
  for (const chunk of [undefined, null, 1, {}, [100, 97]]) {
    expect(() => createDecoder().push(chunk as string)).toThrow(/expected bytes or a string/);
  }
});

test("an event has the keys that the stream set, and no others", () => {
  const keys: string[][] = [];
  const decoder = createDecoder({ onEvent: (decoded) => keys.push(Object.keys(decoded).toSorted()) });
  decoder.push("data\n\ndata\nid: 1\n\ndata\nevent: x\n\ndata\nid: 1\nevent: x\n\n");
  expect(keys).toEqual([["data"], ["data", "id"], ["data", "event"], ["data", "event", "id"]]);
});

describe("a limit", () => {
  const limits: readonly {
    readonly option: "maxLineLength" | "maxEventLength" | "maxIdLength";
    readonly what: string;
    readonly most: number;
    readonly allowed: string;
    readonly refused: string;
  }[] = [
    { option: "maxLineLength", what: "a data line", most: 10, allowed: "data: 6789\n\n", refused: "data: 6789a\n\n" },
    { option: "maxLineLength", what: "a comment", most: 10, allowed: ":23456789a\n", refused: ":23456789ab\n" },
    { option: "maxLineLength", what: "an unknown field", most: 3, allowed: "abc\n", refused: "abcd\n" },
    { option: "maxLineLength", what: "an event type", most: 8, allowed: "event: x\n", refused: "event: xy\n" },
    { option: "maxLineLength", what: "a line that has not ended", most: 8, allowed: "data: ab", refused: "data: abc" },
    { option: "maxLineLength", what: "a line behind a CR", most: 8, allowed: "\rdata: ab\r", refused: "\rdata: abc\r" },
    {
      option: "maxLineLength",
      what: "a data line with a type",
      most: 8,
      allowed: "event: x\ndata: ab\n\n",
      refused: "event: x\ndata: abc\n\n",
    },
    {
      option: "maxEventLength",
      what: "one line of data",
      most: 4,
      allowed: "data: 1234\n\n",
      refused: "data: 12345\n\n",
    },
    {
      option: "maxEventLength",
      what: "one line of data and more",
      most: 4,
      allowed: "data: 1234\nid\n\n",
      refused: "data: 12345\nid\n\n",
    },
    {
      option: "maxEventLength",
      what: "two lines of data",
      most: 4,
      allowed: "data: 1\ndata: 34\n",
      refused: "data: 1\ndata: 345\n",
    },
    {
      option: "maxEventLength",
      what: "empty lines of data",
      most: 2,
      allowed: "data\ndata\ndata\n",
      refused: "data\ndata\ndata\ndata\n",
    },
    {
      option: "maxEventLength",
      what: "an empty line after full data",
      most: 4,
      allowed: "data: 1234\n:\n",
      refused: "data: 1234\ndata\n",
    },
    {
      option: "maxEventLength",
      what: "surrogate pairs",
      most: 4,
      allowed: "data: 😀😀\n\n",
      refused: "data: 😀😀.\n\n",
    },
    { option: "maxIdLength", what: "an id", most: 3, allowed: "id: 123\n\n", refused: "id: 1234\n\n" },
  ];

  for (const { option, what, most, allowed, refused } of limits) {
    test(`${option} lets ${what} reach it, and not pass it`, () => {
      for (const size of [1, 3, 1000]) {
        const push = (wire: string): Decoder => {
          const decoder = createDecoder({ [option]: most });
          for (const chunk of split(bytesOf(wire), () => size)) decoder.push(chunk);
          return decoder;
        };
        expect(() => push(allowed)).not.toThrow();
        expect(codeOf(() => push(refused))).toEqual({ code: "too-large", option });
      }
    });
  }

  test("counts for each line and each event anew", () => {
    const wire = "data: 1234\n\n".repeat(100) + "data: 1\ndata: 2\n\n".repeat(100);
    expect(() => createDecoder({ maxEventLength: 4, maxLineLength: 10 }).push(wire)).not.toThrow();
  });

  test("is 16 Mi code units for a line and for an event, and 4,096 for an id, by default", () => {
    const mebi = 1024 * 1024;
    const decoder = createDecoder();
    decoder.push(`data: ${"x".repeat(16 * mebi - 6)}\n\n`);
    decoder.push(`id: ${"x".repeat(4096)}\n\n`);
    expect(codeOf(() => createDecoder().push(`data: ${"x".repeat(16 * mebi - 5)}`))).toMatchObject({
      option: "maxLineLength",
    });
    const lines = `data: ${"x".repeat(8 * mebi)}\n`.repeat(2);
    expect(codeOf(() => createDecoder().push(lines))).toMatchObject({ option: "maxEventLength" });
    expect(codeOf(() => createDecoder().push(`id: ${"x".repeat(4097)}\n`))).toMatchObject({ option: "maxIdLength" });
  });

  test("may be Infinity", () => {
    expect(() => createDecoder({ maxIdLength: Infinity }).push(`id: ${"x".repeat(10_000)}\n`)).not.toThrow();
  });

  test("holds for what end() delivers", () => {
    const decoder = createDecoder({ unfinished: "deliver", maxEventLength: 3 });
    decoder.push("data: 1234");
    expect(codeOf(() => decoder.end())).toEqual({ code: "too-large", option: "maxEventLength" });
  });
});

describe("with unfinished: throw, end()", () => {
  const endOf = (chunks: readonly (string | Uint8Array)[]): { events: number; failure: unknown } => {
    let events = 0;
    const decoder = createDecoder({ unfinished: "throw", onEvent: () => events++ });
    for (const chunk of chunks) decoder.push(chunk);
    try {
      decoder.end();
    } catch (error) {
      return { events, failure: error };
    }
    return { events, failure: undefined };
  };

  for (const [what, wire] of [
    ["data without its blank line", "data: a\n"],
    ["a blank line's CR that was never there", "data: a\r"],
    ["an id alone", "id: 1\n"],
    ["a type alone", "event: x\n"],
    ["an empty type", "event\n"],
    ["an id that is ignored for its NUL", "id: \0\n"],
    ["data and a comment", "data: a\n: c\n"],
    ["a line without its end", "data: a"],
    ["the first letter of a field", "data: a\n\ne"],
    ["a name without its colon", "data: a\n\ndata"],
    ["a `retry` that may have more digits", "retry: 10"],
    ["half a character in a value", concat("data: caf", [0xc3])],
    ["half a character at a line's start", concat("data: a\n\n", [0xc3])],
    ["half a byte order mark", Uint8Array.of(0xef, 0xbb)],
  ] as const) {
    test(`refuses ${what}`, () => {
      expect(endOf([wire]).failure).toMatchObject({ code: "unfinished", option: "unfinished" });
    });
  }

  for (const [what, wire] of [
    ["nothing", ""],
    ["a byte order mark alone", BOM],
    ["whole events", "data: a\n\ndata: b\r\r"],
    ["a comment, ended or cut", "data: a\n\n: c\n: data: b"],
    ["half a character in a comment", concat("data: a\n\n: caf", [0xc3])],
    ["a `retry` whose line has ended", "data: a\n\nretry: 10\n"],
    ["a line that is no field, ended or cut", "data: a\n\nfoo: 1\ndata1: 2"],
    ["a name with a space before it", "data: a\n\n data: b"],
  ] as const) {
    test(`takes ${what}`, () => {
      expect(endOf([wire]).failure).toBe(undefined);
    });
  }

  test("tells the two apart at every cut of several streams, however they came", () => {
    const wires = [
      "id: 1\nevent: x\ndata: a\n\ndata: b\ndata: c\n\n",
      `${BOM}: hi\r\nretry: 5\r\n\r\ndata: caf\u00e9 \u{1f600}\r\nid\r\n\r\n: \u20ac\r\n`,
      "data\r\revent: x\r\rfoo: bar\rdat\rdata:\r\r",
    ];
    for (const wire of wires) {
      const bytes = bytesOf(wire);
      for (let cut = 0; cut <= bytes.length; cut++) {
        const part = bytes.subarray(0, cut);
        const expected = endsInEvent(part) ? "unfinished" : undefined;
        const { events } = referenceReading(part);
        for (const chunks of [[part], split(part, () => 1), split(part, () => 3)]) {
          const ending = endOf(chunks);
          const code = (ending.failure as { code?: string } | undefined)?.code;
          expect([cut, code, ending.events]).toEqual([cut, expected, events.length]);
        }
      }
    }
  });

  test("leaves a decoder that can be reset", () => {
    const decoder = createDecoder({ unfinished: "throw" });
    decoder.push("data: a");
    expect(codeOf(() => decoder.end())).toMatchObject({ code: "unfinished" });
    decoder.reset();
    expect(() => decoder.end()).not.toThrow();
  });

  /** From the definition, over the whole, with none of the code under test. */
  function endsInEvent(bytes: Uint8Array): boolean {
    const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes).replace(/^\uFEFF/, "");
    const whole = new TextDecoder().decode(bytes, { stream: true });
    const isHalf = text.length > whole.length;
    const lines = text.split(/\r\n|\r|\n/);
    const cut = lines.pop() as string;
    const block = lines.slice(lines.lastIndexOf("") + 1);
    if (block.some((line) => /^(?:data|event|id)(?::|$)/.test(line))) return true;
    if (isHalf && cut === "\uFFFD") return true;
    return cut !== "" && ["data:", "event:", "id:", "retry:"].some((f) => f.startsWith(cut) || cut.startsWith(f));
  }
});

describe("an option of a decoder", () => {
  const wrong: readonly (readonly [keyof DecoderOptions, unknown])[] = [
    ...[0, -1, 1.5, NaN, -Infinity, "10", null, 2 ** 53].map((value) => ["maxLineLength", value] as const),
    ["maxEventLength", 0],
    ["maxIdLength", "many"],
    ["unfinished", "keep"],
    ["unfinished", true],
    ["lastEventId", 5],
    ["lastEventId", null],
    ["onEvent", "f"],
    ["onId", 1],
    ["onRetry", {}],
    ["onComment", null],
  ];

  for (const [option, value] of wrong) {
    test(`${option} may not be ${String(value)} (${typeof value})`, () => {
      expect(codeOf(() => createDecoder({ [option]: value }))).toEqual({ code: "invalid-option", option });
    });
  }

  test("undefined is the default", () => {
    expect(() => createDecoder({ maxLineLength: undefined, onEvent: undefined, unfinished: undefined })).not.toThrow();
  });

  test("a function in place of the options is refused", () => {
    expect(() => createDecoder((() => {}) as never)).toThrow(/onEvent/);
    expect(() => createDecoder(null as never)).toThrow(/options is null/);
  });
});

describe("the state of a decoder", () => {
  test("end() discards, and says so to the next push until reset()", () => {
    const seen: string[] = [];
    const decoder = createDecoder({ onEvent: ({ data }) => seen.push(data) });
    decoder.push("data: a");
    decoder.end();
    decoder.end();
    expect(codeOf(() => decoder.push("\n\n"))).toEqual({ code: "invalid-state", option: undefined });
    decoder.reset();
    decoder.push("data: b\n\n");
    expect(seen).toEqual(["b"]);
  });

  test("reset() forgets line, event, CR, character and start, and keeps id and time §stream-bom §dispatch-id-stays", () => {
    const leftovers = [[0xe2, 0x82], "data: a", "data: a\nevent: x\nid: 9\n", "data: a\r", [0xef]];
    for (const leftover of leftovers) {
      const trace: unknown[] = [];
      const decoder = createDecoder({ onEvent: (decoded) => trace.push(decoded) });
      decoder.push("id: 1\nretry: 5\n\n");
      decoder.push(concat(leftover));
      decoder.reset();
      for (const chunk of split(bytesOf(`${BOM}data: é\n\n`), () => 1)) decoder.push(chunk);
      expect(trace).toEqual([{ data: "é" }]);
      expect(decoder).toMatchObject({ lastEventId: "1", reconnectionTime: 5 });
    }
  });

  test("what a callback throws comes out of push, and reset() makes the decoder good again", () => {
    const names = ["onEvent", "onId", "onRetry", "onComment"] as const;
    for (const name of names) {
      const error = new Error(name);
      let broken = true;
      const seen: unknown[] = [];
      const decoder = createDecoder({
        [name]: (value: unknown) => {
          if (broken) throw error;
          seen.push(value);
        },
      });
      const wire = "data: x\nid: 1\nretry: 5\n: c\n\n";
      expect(() => decoder.push(wire)).toThrow(error);
      expect(codeOf(() => decoder.push(wire)).code).toBe("invalid-state");
      expect(codeOf(() => decoder.end()).code).toBe("invalid-state");
      broken = false;
      decoder.reset();
      decoder.push(wire);
      expect(seen).toHaveLength(1);
    }
  });

  test("after too-large, a decoder wants a reset", () => {
    const decoder = createDecoder({ maxLineLength: 5 });
    expect(codeOf(() => decoder.push("123456")).code).toBe("too-large");
    expect(codeOf(() => decoder.push("\n")).code).toBe("invalid-state");
    decoder.reset();
    expect(() => decoder.push("12345")).not.toThrow();
  });

  test("push and end from a callback are refused", () => {
    for (const method of ["push", "end"] as const) {
      const decoder: Decoder = createDecoder({ onEvent: () => decoder[method]("data: b\n\n") });
      expect(codeOf(() => decoder.push("data: a\n\n")).code).toBe("invalid-state");
    }
  });

  test("reset() from a callback drops the rest of the chunk", () => {
    const wires = [
      "data: a\n\ndata: b\n\ndata: c",
      "data: a\r\rdata: b\r\rdata: c",
      "data: a\nid\n\ndata: b\n\ndata: c",
    ];
    wires.push(`data: a\n\n${"data: b\n\n".repeat(10_000)}data: c`);
    wires.push(`data: a\n\n${"id: lost\n\n".repeat(10_000)}data: c`);
    for (const wire of wires) {
      for (const chunk of [wire, bytesOf(wire)]) {
        const seen: string[] = [];
        const decoder: Decoder = createDecoder({
          onEvent: ({ data }) => {
            seen.push(data);
            if (data === "a") decoder.reset();
          },
        });
        decoder.push(chunk);
        decoder.push("\n\ndata: d\n\n");
        expect(seen).toEqual(["a", "d"]);
        expect(decoder.lastEventId).toBe("");
      }
    }
  });

  test("reset() from any callback drops the rest, the event itself too", () => {
    for (const name of ["onId", "onRetry", "onComment"] as const) {
      const seen: string[] = [];
      const decoder: Decoder = createDecoder({ onEvent: ({ data }) => seen.push(data), [name]: () => decoder.reset() });
      for (const end of ["\n", "\r"]) {
        for (const line of ["id: 1", "retry: 5", ": c"])
          decoder.push(`data: a${end}${line}${end}${end}data: b${end}${end}`);
      }
      expect(seen.filter((data) => data === "a")).toHaveLength(4);
      expect(seen.filter((data) => data === "b")).toHaveLength(4);
    }
  });

  test("a callback that resets may push the new stream", () => {
    const seen: string[] = [];
    const decoder: Decoder = createDecoder({
      onEvent: ({ data }) => {
        seen.push(data);
        if (data !== "a") return;
        decoder.reset();
        decoder.push("data: b\n\ndata: c");
      },
    });
    decoder.push("data: a\n\ndata: lost\n\n");
    decoder.push("d\n\n");
    expect(seen).toEqual(["a", "b", "cd"]);
  });

  test("reset() from a callback of end() leaves the decoder ready", () => {
    const decoder: Decoder = createDecoder({ unfinished: "deliver", onEvent: () => decoder.reset() });
    decoder.push("data: a");
    decoder.end();
    expect(() => decoder.push("data: b")).not.toThrow();
  });

  test("the event that is being delivered is over before its callback runs", () => {
    const ids: string[] = [];
    const decoder: Decoder = createDecoder({ onEvent: () => ids.push(decoder.lastEventId) });
    decoder.push("data: a\nid: 1\n\ndata: b\n\n");
    expect(ids).toEqual(["1", "1"]);
  });
});

describe("time is linear in the input:", () => {
  const mebi = 1024 * 1024;
  const shapes: readonly {
    readonly title: string;
    readonly wire: (scale: number) => string;
    readonly chunk: number;
    readonly events: (scale: number) => number;
  }[] = [
    {
      title: "one line of 4 MiB in 64-byte chunks",
      wire: (n) => `data: ${"x".repeat(n * mebi)}\n\n`,
      chunk: 64,
      events: () => 1,
    },
    {
      title: "one line in 1-byte chunks",
      wire: (n) => `data: ${"x".repeat((n * mebi) / 4)}\n\n`,
      chunk: 1,
      events: () => 1,
    },
    {
      title: "one line in one chunk",
      wire: (n) => `data: ${"x".repeat(3 * n * mebi)}\n\n`,
      chunk: Infinity,
      events: () => 1,
    },
    {
      title: "one line behind a CR",
      wire: (n) => `:\rdata: ${"x".repeat(3 * n * mebi)}\n\n`,
      chunk: 65_536,
      events: () => 1,
    },
    {
      title: "a million bare field names",
      wire: (n) => `${"data\n".repeat(n * 250_000)}\n`,
      chunk: 65_536,
      events: () => 1,
    },
    {
      title: "a million lines of one character",
      wire: (n) => `${"data:a\n".repeat(n * 250_000)}\n`,
      chunk: 16,
      events: () => 1,
    },
    { title: "a million unknown lines", wire: (n) => "a\n".repeat(n * 250_000), chunk: Infinity, events: () => 0 },
    { title: "line ends only", wire: (n) => "\n\r\r\n".repeat(n * 250_000), chunk: 65_536, events: () => 0 },
    { title: "CR only", wire: (n) => "data:a\r\r".repeat(n * 100_000), chunk: 65_536, events: (n) => n * 100_000 },
    {
      title: "many CRs before one LF",
      wire: (n) => `${"data:a\r\r".repeat(n * 100_000)}\n`,
      chunk: Infinity,
      events: (n) => n * 100_000,
    },
    {
      title: "characters of three bytes in 1-byte chunks",
      wire: (n) => `data: ${"€".repeat(n * 50_000)}\n\n`,
      chunk: 1,
      events: () => 1,
    },
  ];

  for (const { title, wire, chunk, events } of shapes) {
    test(`${title}, and four times that`, () => {
      for (const scale of [1, 4]) {
        let count = 0;
        let characters = 0;
        const decoder = createDecoder({
          onEvent({ data }) {
            count++;
            characters += data.length;
          },
        });
        const bytes = bytesOf(wire(scale));
        for (let at = 0; at < bytes.length; at += chunk) decoder.push(bytes.subarray(at, at + chunk));
        expect(count).toBe(events(scale));
        const reference = referenceReading(bytes).events;
        expect(characters).toBe(reference.reduce((sum, { data }) => sum + data.length, 0));
      }
    });
  }
});

function traceOf(chunks: readonly (string | Uint8Array | ArrayBuffer)[], options: DecodeOptions = {}): Trace {
  const trace: [Trace[number][0], unknown][] = [];
  const decoder = createDecoder({
    ...options,
    onEvent: (decoded) => trace.push(["event", decoded]),
    onId: (id) => trace.push(["id", id]),
    onRetry: (time) => trace.push(["retry", time]),
    onComment: (comment) => trace.push(["comment", comment]),
  });
  for (const chunk of chunks) decoder.push(chunk);
  decoder.end();
  trace.push(["last", decoder.lastEventId]);
  return trace;
}

function split(bytes: Uint8Array, size: () => number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + size();
    chunks.push(bytes.subarray(at, end));
    at = end;
  }
  return chunks;
}

/** A seeded source of integers from 1 to `most`. */
function randomFrom(seed: number): (most: number) => number {
  let state = seed + 1;
  return (most) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return 1 + ((state >>> 8) % most);
  };
}

function sorted(value: unknown): unknown {
  return Object.entries(value as object).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function codeOf(run: () => unknown): { code: unknown; option: unknown } {
  try {
    run();
  } catch (error) {
    const { code, option } = error as { code: unknown; option: unknown };
    return { code, option };
  }
  throw new Error("Nothing was thrown");
}
