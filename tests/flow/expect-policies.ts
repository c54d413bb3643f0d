import { expect } from "vitest";
import type { History } from "./crowd.ts";
import type { Outcome } from "./past-the-stalled.ts";

/** Expects that healthy clients have got all, and those that stalled what their policy says, where little was retained. */
export function expectPolicies({ histories, flood, last, retained }: Outcome): void {
  expect(histories.healthy.map(({ history }) => history)).toEqual([numbers(1, last)]);
  const truncated = ["gap: truncated", ...numbers(flood - retained + 1, last)];
  for (const { history } of histories["catch-up"]) expectAfterPrefix(history, truncated);
  for (const { history } of histories.disconnect) expectAfterPrefix(history, truncated);
  for (const { history } of histories.skip) expectSkipped(history, flood, last);
  for (const { history } of histories.coalesce) expectCoalesced(history, flood, last);
}

/** The same where all was retained: only those that skip have missed anything. */
export function expectLossless({ histories, flood, last }: Outcome): void {
  expect(histories.healthy.map(({ history }) => history)).toEqual([numbers(1, last)]);
  for (const { history } of [...histories["catch-up"], ...histories.disconnect]) {
    expect(history).toEqual(numbers(history[0] as number, last));
  }
  for (const { history } of histories.skip) expectSkipped(history, flood, last);
  for (const { history } of histories.coalesce) {
    expectCoalesced(history, flood, last);
    expect(history).not.toContain("gap: truncated");
  }
}

/** What was under way when the client stalled comes first, in one piece; then exactly this. */
function expectAfterPrefix(history: History, rest: History): void {
  const prefix = history.slice(0, history.length - rest.length);
  expect(history.slice(prefix.length)).toEqual(rest);
  if (prefix.length > 0) expect(prefix).toEqual(numbers(prefix[0] as number, prefix.at(-1) as number));
}

/** Pieces without a hole, more than `maxLag` (100) apart and with a gap between them; the last begins with the newest event. */
function expectSkipped(history: History, flood: number, last: number): void {
  let piece: number[] = [];
  let before: number | undefined;
  for (const entry of history) {
    if (entry === "gap: skipped") {
      before = piece.at(-1) ?? before;
      piece = [];
      continue;
    }
    if (piece.length === 0 && before !== undefined) expect(Number(entry) - before).toBeGreaterThan(100);
    if (piece.length > 0) expect(entry).toBe((piece.at(-1) as number) + 1);
    piece.push(Number(entry));
  }
  expect(piece).toEqual(numbers(flood, last));
  expect(history.length).toBeGreaterThan(piece.length);
}

/**
 * What was under way when the client stalled; a gap, where retention was faster even than one that needs only the newest;
 * one event of each of the ten keys, the newest, and then one by one as they were published. All in order, and none twice.
 */
function expectCoalesced(history: History, flood: number, last: number): void {
  const newest = numbers(flood - 9, last);
  expect(history.slice(-newest.length)).toEqual(newest);
  const before = history.slice(0, -newest.length);
  const underWay = before.filter((entry) => typeof entry === "number");
  expect(before.slice(underWay.length)).toEqual(before.length > underWay.length ? ["gap: truncated"] : []);
  expect(underWay).toEqual([...new Set(underWay)].toSorted((a, b) => a - b));
}

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
