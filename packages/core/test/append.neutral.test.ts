import { expect, test } from "vitest";
import { resolveAppend, SluiceError } from "../src/index.ts";
import type { AppendOptions, AppendState, NewEvent } from "../src/index.ts";

const tail = "e.a7aaaa";
const log: AppendState = { tail, closed: false, producer: undefined, maxBytes: 100 };
const one: readonly NewEvent[] = [{ data: "one" }];

function codeOf(events: readonly NewEvent[], options: AppendOptions, state: Partial<AppendState> = {}): string {
  try {
    const { answer } = resolveAppend(events, options, { ...log, ...state });
    if (answer === undefined) return "written";
    return answer.duplicate ? `repeated ${answer.tail}` : `unchanged ${answer.tail}`;
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return error.code;
  }
}

test.each([
  [0, 0, undefined, "written"],
  [0, 1, undefined, "sequence"],
  [5, 0, undefined, "written"],
  [3, 4, { epoch: 3, seq: 3 }, "written"],
  [3, 5, { epoch: 3, seq: 3 }, "sequence"],
  [3, 3, { epoch: 3, seq: 3 }, "repeated e.a3bbbb"],
  [3, 0, { epoch: 3, seq: 3 }, "repeated e.a3bbbb"],
  [2, 4, { epoch: 3, seq: 3 }, "fenced"],
  [4, 0, { epoch: 3, seq: 3 }, "written"],
  [4, 1, { epoch: 3, seq: 3 }, "sequence"],
])("a producer at epoch %i and seq %i, after %o: %s", (epoch, seq, last, outcome) => {
  const producer = last && { ...last, tail: "e.a3bbbb" };
  expect(codeOf(one, { producer: { id: "p", epoch, seq } }, { producer })).toBe(outcome);
});

test("what an append comes upon is looked at in one order", () => {
  const producer = { id: "p", epoch: 0, seq: 0 };
  const last = { epoch: 0, seq: 0, tail: "e.a3bbbb" };
  const large = [{ data: "x".repeat(100) }];
  expect(codeOf(large, { producer, ifTail: "origin" }, { producer: last, closed: true })).toBe("repeated e.a3bbbb");
  expect(codeOf(large, { ifTail: "origin" }, { closed: true })).toBe("closed");
  expect(codeOf(large, { ifTail: "origin" })).toBe("conflict");
  expect(codeOf(large, { ifTail: tail })).toBe("too-large");
  expect(codeOf([{ data: "x".repeat(36) }], { ifTail: tail })).toBe("written");
  expect(codeOf([], {})).toBe(`unchanged ${tail}`);
  expect(codeOf([], { close: true })).toBe("written");
  expect(codeOf([], { close: true }, { closed: true })).toBe(`unchanged ${tail}`);
  expect(codeOf([], { ifTail: "origin" })).toBe("conflict");
});

test("entries are sized and well-formed, and nothing but an event goes in", () => {
  const event = { event: "a\uD800", data: "b\uDC00", key: "c", id: "mine", retry: 3 };
  const { entries } = resolveAppend([event, { data: "" }], {}, log);
  expect(entries).toEqual([
    { event: "a\uFFFD", data: "b\uFFFD", key: "c", bytes: 69 },
    { data: "", bytes: 64 },
  ]);
});

test("a message shows no more of a name than fits on a line", () => {
  const producer = { id: `\n${"x".repeat(200)}`, epoch: 0, seq: 1 };
  expect(() => resolveAppend(one, { producer }, log)).toThrow(/^Cannot append: producer "\\nx{39}…" should send seq 0/);
});

test("the id of a producer has at most 256 characters, whatever else the append is", () => {
  const producer = { id: "x".repeat(257), epoch: 0, seq: 0 };
  for (const events of [one, []]) {
    expect(() => resolveAppend(events, { producer }, log)).toThrow(
      expect.objectContaining({ code: "too-large", option: "producer" }),
    );
  }
  expect(resolveAppend(one, { producer: { ...producer, id: "x".repeat(256) } }, log).entries).toHaveLength(1);
});

test("a closed log has nothing missing: a producer that is out of sequence is told closed", () => {
  const producer = { id: "p", epoch: 0, seq: 7 };
  const closed = { ...log, closed: true, producer: undefined };
  expect(() => resolveAppend(one, { producer }, closed)).toThrow(expect.objectContaining({ code: "closed" }));
  expect(resolveAppend([], { producer, close: true }, closed).answer).toEqual({ tail: log.tail, duplicate: false });
});
