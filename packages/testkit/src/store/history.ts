import assert from "node:assert/strict";
import { parseEventId } from "@sluice/core";
import type { Cursor, Position, Slice, StoredEvent } from "@sluice/core";

/** The number of a position's event; 0 for `"origin"`. */
export function seqOf(position: Position): number {
  return position === "origin" ? 0 : partsOf(position).seq;
}

/** The epoch of a position; undefined for `"origin"`, which has none. */
export function epochOf(position: Position): string | undefined {
  return position === "origin" ? undefined : partsOf(position).epoch;
}

/** What one reader was given, checked as it comes: each slice is whole, and continues the one before or says that it does not. */
export class History {
  readonly #after: Cursor;
  readonly slices: Slice[] = [];

  constructor(after: Cursor) {
    this.#after = after;
  }

  /** @throws {assert.AssertionError} where the slice does not follow */
  add(slice: Slice): void {
    checkSlice(this.#cursor, slice);
    this.slices.push(slice);
  }

  get events(): readonly StoredEvent[] {
    return this.slices.flatMap(({ events }) => events);
  }

  get datas(): readonly string[] {
    return this.events.map(({ data }) => data);
  }

  get gaps(): readonly string[] {
    return this.slices.flatMap(({ gap }) => gap ?? []);
  }

  get #cursor(): Cursor {
    return this.slices.at(-1)?.next ?? this.#after;
  }
}

/** Law 1 and law 2, for one slice: it continues the cursor that was given, and is a run of ids without a hole. */
export function checkSlice(cursor: Cursor, { from, events, next, gap, upToDate, closed }: Slice): void {
  if (gap === undefined && cursor !== "start" && cursor !== "tail") {
    assert.equal(from, cursor, `a slice without a gap follows ${from}, where the cursor was ${cursor}`);
  }
  assert.ok(gap === undefined || ["truncated", "reset", "unknown"].includes(gap), `gap is ${gap}`);
  let last = from;
  let seq = seqOf(from);
  for (const { id, data } of events) {
    const { epoch, seq: number } = partsOf(id);
    assert.equal(number, seq + 1, `${id} follows ${last}`);
    if (last !== "origin") {
      assert.equal(epoch, epochOf(last), `${id} follows ${last}`);
      assert.ok(id > last, `${id} sorts before ${last}`);
    }
    assert.equal(typeof data, "string");
    last = id;
    seq = number;
  }
  assert.equal(next, last, "next is not the last event of the slice");
  assert.ok(upToDate || !closed, "a slice is closed, and yet not the end");
}

/** Law 1: whatever two readers were given under the same number of the same epoch is the same. */
export function checkAgreement(histories: readonly History[]): void {
  const seen = new Map<string, string>();
  for (const { events } of histories) {
    for (const event of events) {
      const { epoch, seq } = partsOf(event.id);
      const text = JSON.stringify([event.id, event.event, event.data, event.key]);
      const before = seen.get(`${epoch}.${seq}`) ?? text;
      assert.equal(text, before, `number ${seq} of epoch ${epoch} was read as two events`);
      seen.set(`${epoch}.${seq}`, text);
    }
  }
}

function partsOf(id: string): { readonly epoch: string; readonly seq: number } {
  assert.match(id, /^[a-z0-9.]{1,48}$/, "an id is not safe in a header");
  const parts = parseEventId(id);
  assert.ok(parts !== undefined, `${id} is no event id: make ids with formatEventId`);
  return parts;
}
