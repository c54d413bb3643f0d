import { expect, test } from "vitest";
import { eventStream, SluiceError } from "../src/index.ts";

function refusal(options: unknown): SluiceError | undefined {
  try {
    eventStream(() => [], options as object);
    return undefined;
  } catch (error) {
    if (error instanceof SluiceError) return error;
    throw error;
  }
}

const good: Record<string, unknown[]> = {
  keepAlive: [1, 15_000, false, undefined],
  writeDeadline: [1, false],
  maxWriteBytes: [1],
  maxPendingBytes: [1],
  maxEventBytes: [1],
  retry: [0, 5, [0, 0], [1, 2], false],
  maxAge: [1, 1e12, false],
  maxLastEventIdLength: [1],
  headers: [{}, new Headers(), [], () => ({})],
  serialize: [String],
  authorize: [() => {}],
  otherwise: [() => {}],
  whenDone: ["end", "reconnect"],
  onError: [() => {}],
};

const bad: Record<string, unknown[]> = {
  keepAlive: [0, -1, NaN, Infinity, "15s", true, null],
  writeDeadline: [0, -1, NaN, Infinity, {}],
  maxWriteBytes: [0, -1, 1.5, Infinity, "1", null],
  maxPendingBytes: [0, NaN],
  maxEventBytes: [0, 1n],
  retry: [-1, 1.5, [2, 1], [1], [1, 2, 3], ["1", "2"], true, NaN],
  maxAge: [0, -1, new Date()],
  maxLastEventIdLength: [0, -1],
  headers: [
    "a: b",
    1,
    { "bad name": "x" },
    { a: "b\r\nc: d" },
    { Connection: "close" },
    { "content-type": "text/plain" },
  ],
  serialize: ["json", null],
  authorize: [true],
  otherwise: [new Response()],
  whenDone: ["stop", true],
  onError: [console],
};

for (const [option, values] of Object.entries(good)) {
  test(`${option} takes what its documentation says`, () => {
    expect(values.map((value) => refusal({ [option]: value }))).toEqual(values.map(() => undefined));
  });
}

for (const [option, values] of Object.entries(bad)) {
  test(`${option} refuses anything else, with its name, when the handler is made`, () => {
    for (const value of values) {
      const error = refusal({ [option]: value });
      expect(error, String(value)).toMatchObject({ code: "invalid-option", option });
      expect(error?.message).toContain(option);
    }
  });
}

test("an option that does not exist is refused, with the one that was meant", () => {
  expect(refusal({ keepalive: 1 })?.message).toContain("did you mean keepAlive?");
  expect(refusal({ "keep-alive": 1 })?.message).toContain("did you mean keepAlive?");
  expect(refusal({ heartbeat: 1 })?.message).toContain("the options are keepAlive,");
  expect(refusal({ __proto__: { keepAlive: -1 } })).toMatchObject({ option: "keepAlive" });
  expect(refusal(null)).toMatchObject({ code: "invalid-option", option: "options" });
});
