import { expect, test } from "vitest";
import { dropAtRandom, flaw } from "./drops.ts";

test("what cannot be resumed exactly is said, and the check finds what is not", () => {
  const log = ["a", "b", "c", "d"];
  expect(flaw(["a", "b", "c", "d"], log)).toBe(undefined);
  expect(flaw(["a", "gap", "d"], log)).toBe(undefined);
  expect(flaw(["a", "d"], log)).toContain("2 events are missing");
  expect(flaw(["a", "b", "b", "c", "d"], log)).toContain("seen before");
  expect(flaw(["a", "b", "c"], log)).toContain("the last 1 events are missing");
});

test("clients whose connections are cut at random have an exact history", { timeout: 60_000 }, async () => {
  const { log, histories } = await dropAtRandom(4, 1_000_000);
  expect(log.length).toBeGreaterThan(500);
  for (const [client, history] of Object.entries(histories)) {
    expect(flaw(history, log), client).toBe(undefined);
    expect(history, client).toEqual(log);
  }
});

test("where retention has overtaken them, a gap says so", { timeout: 60_000 }, async () => {
  const { log, histories } = await dropAtRandom(3, 8);
  for (const [client, history] of Object.entries(histories)) expect(flaw(history, log), client).toBe(undefined);
});
