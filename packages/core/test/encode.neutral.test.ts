import { describe, expect, test } from "vitest";
import { encodeEvent, EventEncoderStream, SluiceError } from "../src/index.ts";
import type { ServerSentEvent } from "../src/index.ts";
import { referenceReading } from "./reference-reader.ts";

const BOM = "\uFEFF";
const read = (text: string): ReturnType<typeof referenceReading> => referenceReading(new TextEncoder().encode(text));

describe("encodeEvent", () => {
  const texts: readonly (readonly [title: string, event: ServerSentEvent<string>, text: string])[] = [
    ["writes data with one space §line-field", { data: "a" }, "data: a\n\n"],
    ["writes empty data, which is an event §dispatch-no-data", { data: "" }, "data: \n\n"],
    ["keeps a leading space §line-field", { data: " a" }, "data:  a\n\n"],
    ["writes a line for each line of data §field-data", { data: "a\nb\n" }, "data: a\ndata: b\ndata: \n\n"],
    [
      "makes LF of CR and CRLF §stream-line-ends",
      { data: "a\rb\r\nc\n\rd" },
      "data: a\ndata: b\ndata: c\ndata: \ndata: d\n\n",
    ],
    ["writes the type before the data §field-event", { data: "a", event: "x" }, "event: x\ndata: a\n\n"],
    ["writes an id alone §dispatch-id-first", { id: "7" }, "id: 7\n\n"],
    ["writes an empty id, which resets §field-id", { id: "", data: "a" }, "id: \ndata: a\n\n"],
    ["writes retry alone §field-retry", { retry: 0 }, "retry: 0\n"],
    [
      "writes the greatest retry in digits §field-retry",
      { retry: Number.MAX_SAFE_INTEGER },
      "retry: 9007199254740991\n",
    ],
    ["writes -0 as 0 §field-retry", { retry: -0 }, "retry: 0\n"],
    ["writes a comment alone §line-comment", { comment: "hi" }, ": hi\n"],
    ["writes an empty comment §line-comment", { comment: "" }, ": \n"],
    ["writes a comment line for each line §line-comment", { comment: "a\r\n\rdata: b" }, ": a\n: \n: data: b\n"],
    [
      "writes all fields in one order",
      { data: "d", retry: 1, id: "i", event: "e", comment: "c" },
      ": c\nevent: e\nid: i\nretry: 1\ndata: d\n\n",
    ],
    [
      "makes U+FFFD of lone surrogates §stream-utf8",
      { data: "\ud800a\udc00", id: "\udfff" },
      "id: \uFFFD\ndata: \uFFFDa\uFFFD\n\n",
    ],
    ["keeps surrogate pairs §stream-utf8", { data: "😀" }, "data: 😀\n\n"],
    ["never starts with a byte order mark §stream-bom", { data: BOM, comment: BOM }, `: ${BOM}\ndata: ${BOM}\n\n`],
    [
      "takes undefined as absent",
      { data: "a", event: undefined, id: undefined, retry: undefined, comment: undefined },
      "data: a\n\n",
    ],
  ];

  for (const [title, event, text] of texts) {
    test(title, () => expect(encodeEvent(event)).toBe(text));
  }

  test("writes only what the grammar of the Standard allows §stream-any-char §stream-name-char §line-field", () => {
    const grammar = /^(?:(?:(?:[^\n\r:]+(?:: ?[^\n\r]*)?|:[^\n\r]*)\n)*\n)+$/;
    // A comment or a retry alone belongs to the event that comes next.
    for (const [, event] of texts) expect(encodeEvent(event) + encodeEvent({ data: "next" })).toMatch(grammar);
  });

  const refused: readonly (readonly [title: string, event: unknown, field: string | undefined])[] = [
    ["an empty type", { event: "", data: "a" }, "event"],
    ["a type without data", { event: "x" }, "event"],
    ["a type with an id and no data", { event: "x", id: "1" }, "event"],
    ["a type with LF", { event: "x\ndata: y", data: "a" }, "event"],
    ["a type with CR", { event: "x\rdata: y", data: "a" }, "event"],
    ["a type with CRLF at its end", { event: "x\r\n", data: "a" }, "event"],
    ["a type that is a number", { event: 1, data: "a" }, "event"],
    ["a type that is null", { event: null, data: "a" }, "event"],
    ["a type that is a String object", { event: new String("x"), data: "a" }, "event"],
    ["a type that is an array", { event: ["x\ndata: y"], data: "a" }, "event"],
    ["a type that is a symbol", { event: Symbol("x"), data: "a" }, "event"],
    ["an id with LF", { id: "1\ndata: y" }, "id"],
    ["an id with a LF at its start", { id: "\n1" }, "id"],
    ["an id with CR", { id: "1\r", data: "a" }, "id"],
    ["an id with CRLF", { id: "1\r\n\r\ndata: y" }, "id"],
    ["an id with NUL", { id: "1\0", data: "a" }, "id"],
    ["an id that is NUL", { id: "\0" }, "id"],
    ["an id that is a number", { id: 7, data: "a" }, "id"],
    ["an id that is null", { id: null, data: "a" }, "id"],
    ["an id that is a bigint", { id: 7n, data: "a" }, "id"],
    ["an id with toString", { id: { toString: () => "1\ndata: y" } }, "id"],
    ["an id that is an array with toString", { id: Object.assign(["1"], { toString: () => "1\ndata: y" }) }, "id"],
    ["an id that is a String object", { id: new String("1\n2") }, "id"],
    ["a retry of NaN", { retry: NaN, data: "a" }, "retry"],
    ["a retry of Infinity", { retry: Infinity }, "retry"],
    ["a retry below zero", { retry: -1 }, "retry"],
    ["a retry with a fraction", { retry: 1.5 }, "retry"],
    ["a retry past the safe integers", { retry: 2 ** 53 }, "retry"],
    ["a retry that would be written with an exponent", { retry: 1e21 }, "retry"],
    ["a retry that is a string", { retry: "5\ndata: y" }, "retry"],
    ["a retry that is a string of digits", { retry: "5" }, "retry"],
    ["a retry that is a bigint", { retry: 5n }, "retry"],
    ["a retry that is null", { retry: null, data: "a" }, "retry"],
    ["a retry that is a Number object", { retry: new Number(5) }, "retry"],
    ["a retry with valueOf", { retry: { valueOf: () => 5, toString: () => "5\ndata: y" } }, "retry"],
    ["data that is a number", { data: 1 }, "data"],
    ["data that is null", { data: null }, "data"],
    ["data that is false", { data: false }, "data"],
    ["data that is a symbol", { data: Symbol("a") }, "data"],
    ["data that is an object", { data: { a: 1 } }, "data"],
    ["data that is a String object", { data: new String("a\n\ndata: b") }, "data"],
    ["data that is an array", { data: ["a\n\nid: 1"] }, "data"],
    [
      "data that is an array with its own split",
      { data: Object.assign(["a"], { split: () => ["a\n\nid: 1"] }) },
      "data",
    ],
    ["data that is bytes", { data: new Uint8Array([10, 10]) }, "data"],
    ["data that is a function", { data: () => "a" }, "data"],
    ["data that is a Proxy of a string", { data: new Proxy(new String("a\n\n"), {}) }, "data"],
    ["a comment that is a number", { comment: 1 }, "comment"],
    ["a comment that is null", { comment: null, data: "a" }, "comment"],
    ["a comment that is an array", { comment: ["a\ndata: b"] }, "comment"],
    ["a comment that is a String object", { comment: new String("a\ndata: b") }, "comment"],
    ["an event of no field", {}, undefined],
    ["an event of undefined fields", { data: undefined, id: undefined }, undefined],
    ["an event of other fields", { message: "a", name: "b" }, undefined],
    ["undefined", undefined, undefined],
    ["null", null, undefined],
    ["a string", "data: a\n\n", undefined],
    ["a number", 5, undefined],
    ["a function", () => ({ data: "a" }), undefined],
    ["an array", ["a"], undefined],
    ["bytes", new Uint8Array([100]), undefined],
    ["a Map", new Map([["data", "a"]]), undefined],
    ["a Promise of an event", Promise.resolve({ data: "a" }), undefined],
  ];

  for (const [title, event, field] of refused) {
    test(`refuses ${title}`, () => {
      let error: unknown;
      try {
        encodeEvent(event as ServerSentEvent<string>);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(SluiceError);
      expect(error).toMatchObject({ code: "invalid-field", field });
      expect((error as Error).message).toMatch(/^Cannot encode event: [^\n]+[^.]$/);
    });
  }

  // The hostile that is no error: whatever the value, a reader gets one event with that value and nothing beside it.
  const hostile: readonly string[] = [
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "\r\r",
    "\n\r",
    "\r\n\r\n",
    "\n\ndata: x",
    "\r\rdata: x",
    "a\n\nevent: admin\ndata: x",
    "a\rid: 1",
    "a\nretry: 1",
    "a\r\n: c",
    "data: x",
    "data",
    ":",
    ": c",
    "id: 1\0",
    "\0",
    "\n\0\n",
    BOM,
    `${BOM}${BOM}data: x`,
    "\u2028data: x",
    "\u2029data: x",
    "\u0085data: x",
    "\v\f\u001c\u001d\u001e",
    "\ud800",
    "\udc00\n",
    "\ud83d\n\ude00",
    "\ud83d\r\ude00",
    " ",
    "  ",
    "\t",
    " \n ",
    "\u00a0",
    "%0A%0Adata: x",
    "\\n\\ndata: x",
    "&#10;",
    "é€😀",
    "__proto__",
  ];
  for (const value of hostile) {
    test(`makes one event of ${JSON.stringify(value)} as data and as a comment`, () => {
      const { events, lastEventId, reconnectionTime } = read(encodeEvent({ comment: value, data: value }));
      expect(events).toEqual([{ data: value.replace(/\r\n?/g, "\n").toWellFormed() }]);
      expect({ lastEventId, reconnectionTime }).toEqual({ lastEventId: "", reconnectionTime: undefined });
    });

    test(`makes of ${JSON.stringify(value)} as a type and an id one event, or none`, () => {
      for (const name of ["event", "id"] as const) {
        let text: string;
        try {
          text = encodeEvent({ [name]: value, data: "d" });
        } catch (error) {
          expect(error).toMatchObject({ code: "invalid-field", field: name });
          expect(/[\n\r\0]/.test(value)).toBe(true);
          continue;
        }
        expect(read(text).events).toEqual([{ [name]: value.toWellFormed(), data: "d" }]);
      }
    });
  }

  test("reads each field once, so that a getter cannot answer twice", () => {
    const reads: Record<string, number> = {};
    const sly = (name: string, first: unknown): PropertyDescriptor => ({
      enumerable: true,
      get: () => ((reads[name] = (reads[name] ?? 0) + 1) === 1 ? first : "x\n\ndata: injected"),
    });
    const event = Object.defineProperties(
      {},
      {
        event: sly("event", "e"),
        data: sly("data", "d"),
        id: sly("id", "i"),
        retry: sly("retry", 1),
        comment: sly("comment", "c"),
      },
    );
    expect(encodeEvent(event)).toBe(": c\nevent: e\nid: i\nretry: 1\ndata: d\n\n");
    expect(reads).toEqual({ event: 1, data: 1, id: 1, retry: 1, comment: 1 });
  });

  test("a Proxy that answers differently each time gains nothing", () => {
    let answers = 0;
    const event = new Proxy({}, { get: () => (answers++ === 0 ? "x" : undefined) });
    expect(() => encodeEvent(event)).toThrow(/has no data/);
  });

  test("what a getter throws comes out", () => {
    const error = new Error("mine");
    const event = {
      get data(): string {
        throw error;
      },
    };
    expect(() => encodeEvent(event)).toThrow(error);
  });

  test("fields may be inherited, and others are not looked at", () => {
    class Mine {
      get data(): string {
        return "a";
      }
      get other(): string {
        throw new Error("not looked at");
      }
    }
    expect(encodeEvent(new Mine())).toBe("data: a\n\n");
  });

  test("a patched String.prototype.toString or Symbol.toPrimitive is not asked", () => {
    const id = { [Symbol.toPrimitive]: () => "1\n\ndata: x" };
    expect(() => encodeEvent({ id: id as never, data: "a" })).toThrow(/id is an object/);
  });

  test("the time for many lines is linear in them", () => {
    for (const scale of [1, 4]) {
      const data = "\r\n".repeat(scale * 100_000);
      expect(read(encodeEvent({ data })).events[0]?.data).toHaveLength(scale * 100_000);
    }
  });

  test("an error shows the value short, and says what to do", () => {
    const id = `${"x".repeat(1000)}\n`;
    expect(() => encodeEvent({ id })).toThrow(
      `Cannot encode event: id contains a line break: "${"x".repeat(40)}…"; remove it`,
    );
    expect(() => encodeEvent({ message: "a" } as never)).toThrow(
      "got an object with message; did you mean { data: … }?",
    );
    expect(() => encodeEvent({ data: { a: 1 } as never })).toThrow(
      "make it a string, for instance with JSON.stringify",
    );
  });
});

describe("EventEncoderStream", () => {
  test("writes one chunk of UTF-8 for each event, and reads one event for each chunk asked for", async () => {
    let pulled = 0;
    const events = new ReadableStream<ServerSentEvent<string>>(
      { pull: (controller) => controller.enqueue({ data: `é${++pulled}` }) },
      { highWaterMark: 0 },
    );
    const reader = events.pipeThrough(new EventEncoderStream()).getReader();
    const { value } = await reader.read();
    expect(new TextDecoder().decode(value)).toBe("data: é1\n\n");
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(pulled).toBeLessThanOrEqual(3);
    await reader.cancel();
  });

  test("errors with the SluiceError of an event that the wire cannot carry, after the events before it", async () => {
    const events = new ReadableStream<ServerSentEvent<string>>({
      start(controller) {
        controller.enqueue({ data: "a" });
        controller.enqueue({ id: "1\n2" });
      },
    });
    const reader = events.pipeThrough(new EventEncoderStream()).getReader();
    expect((await reader.read()).done).toBe(false);
    await expect(reader.read()).rejects.toMatchObject({ code: "invalid-field", field: "id" });
  });
});
