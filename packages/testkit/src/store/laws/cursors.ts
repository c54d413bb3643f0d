import assert from "node:assert/strict";
import { formatEventId, parseEventId } from "@sluice/core";
import type { EventId, EventIdParts } from "@sluice/core";
import { datasOf, lastOf, numbered, readAll } from "../bench.ts";
import { epochOf } from "../history.ts";
import type { Laws } from "./law.ts";

/** What becomes of a cursor that is no place in the log, or none any more. */
export const cursors: Laws = {
  "law 10: a dropped channel begins anew, and cursors of before are told `reset`": async (bench) => {
    const { a, b } = await bench.open({ retention: { maxEvents: 10 } });
    await a.append("c", numbered(6));
    const old = (await readAll(a, "c")).events.map(({ id }) => id);
    const oldTail = old.at(-1) as EventId;
    await a.drop("c");
    const empty = await b.read("c", oldTail);
    assert.deepEqual(empty, {
      from: "origin",
      events: [],
      next: "origin",
      gap: "reset",
      upToDate: true,
      closed: false,
    });
    assert.deepEqual(await b.tails(["c"]), ["origin"]);
    // Shorter than before, as long, and so long that the old numbers have been trimmed.
    for (const count of [2, 4, 94]) {
      const { tail } = await b.append("c", numbered(count));
      assert.notEqual(epochOf(tail), epochOf(oldTail), "a channel keeps its epoch when it has been dropped");
      for (const id of old) {
        const slice = await a.read("c", id);
        assert.deepEqual([slice.gap, slice.from], ["reset", (await a.read("c", "start")).from]);
      }
    }
    await b.drop("never");
    await b.drop("c");
    await b.drop("c");
    assert.deepEqual((await readAll(a, "c", "origin")).events, []);
  },

  "law 10: dropped while it is followed: what comes is of the new log, and is told from the old": async (bench) => {
    const { a, b } = await bench.open();
    await a.append("c", numbered(3));
    const following = bench.history(b, "c", "origin");
    await bench.until(async () => (await a.read("c", "origin")).events.length === 3, "an append is not visible");
    await a.drop("c");
    await a.append("c", numbered(2, 10), { close: true });
    const { datas, gaps } = await following;
    // The reader may have been too late for the old log, and has then missed nothing that it had a place in.
    if (datas.includes("0")) assert.deepEqual([datas.slice(-2), gaps], [["10", "11"], ["reset"]]);
    else assert.deepEqual([datas, gaps.length <= 1], [["10", "11"], true]);
  },

  "law 10: all data wiped behind the store's back: `reset`": async (bench) => {
    const wipe = bench.needs("wipe");
    const { a, b, world } = await bench.open();
    const { tail } = await a.append("c", numbered(3));
    await wipe(world);
    assert.deepEqual([(await b.read("c", tail)).gap, await b.tails(["c"])], ["reset", ["origin"]]);
    await a.append("c", numbered(3));
    assert.equal((await b.read("c", tail)).gap, "reset");
  },

  "law 11: a cursor beyond the tail, or of another append than the one of its number: `reset`": async (bench) => {
    const { a, b } = await bench.open({ retention: { maxEvents: 20 } });
    for (let i = 0; i < 60; i += 3) await a.append("c", numbered(3, i));
    const { slices } = await readAll(a, "c");
    const boundary = slices[0]?.from ?? "origin";
    const events = slices.flatMap((slice) => slice.events);
    const tail = partsOf(lastOf(events).id);
    const lost = [
      formatEventId({ ...tail, seq: tail.seq + 1 }),
      formatEventId({ ...tail, seq: tail.seq + 1000 }),
      formatEventId({ ...tail, seq: Number.MAX_SAFE_INTEGER }),
      ...events.map(({ id }) => otherTag(id)),
      otherTag(boundary),
    ];
    for (const cursor of lost) {
      const slice = await b.read("c", cursor);
      assert.deepEqual([cursor, slice.gap, slice.from], [cursor, "reset", boundary]);
    }
  },

  "law 11: a lost tail, refilled or not: `reset`": async (bench) => {
    const loseTail = bench.needs("loseTail");
    const { a, b, world } = await bench.open();
    await a.append("c", numbered(5));
    const kept = (await a.read("c", "origin", { limit: 3 })).next;
    const lost = (await readAll(a, "c", kept)).events.map(({ id }) => id);
    await loseTail(world, "c", 2);
    for (const id of lost) assert.equal((await b.read("c", id)).gap, "reset");
    assert.deepEqual((await readAll(b, "c", kept)).events, []);
    await b.append("c", [{ data: "another" }]);
    await b.append("c", [{ data: "history" }, { data: "that is longer" }]);
    for (const id of lost) assert.equal((await a.read("c", id)).gap, "reset");
    assert.deepEqual((await readAll(a, "c", kept)).datas, ["another", "history", "that is longer"]);
  },

  "law 12: a foreign, garbage or huge cursor is signalled; nothing leaks, nothing throws": async (bench) => {
    const { a, b } = await bench.open();
    await a.append("c", numbered(3));
    const { tail: foreign } = await a.append("other", [{ data: "secret" }, { data: "secret" }]);
    const own = (await a.read("c", "tail")).next;
    const { seq, tag, epoch } = partsOf(own);
    const expected: [cursor: string, gap: string][] = [
      ...garbage(own).map((cursor): [string, string] => [cursor, "unknown"]),
      [foreign, "reset"],
      [formatEventId({ epoch: "nowhere", seq, tag }), "reset"],
      [`${"z".repeat(24)}.p9007199254740991aaaa`, "reset"],
      [formatEventId({ epoch, seq: Number.MAX_SAFE_INTEGER, tag }), "reset"],
    ];
    const startedAt = performance.now();
    for (const [cursor, gap] of expected) {
      const slice = await b.read("c", cursor);
      assert.deepEqual(
        [cursor.slice(0, 60), slice.gap, slice.from, datasOf(slice)],
        [cursor.slice(0, 60), gap, "origin", ["0", "1", "2"]],
      );
      const none = await b.read("never", cursor);
      assert.deepEqual([none.gap, none.from, none.next, none.events], [gap, "origin", "origin", []]);
      // As a precondition it is a conflict, like any other place that is not the tail.
      const code = await a
        .append("c", numbered(1), { ifTail: cursor })
        .catch((error: { code?: unknown }) => error.code);
      assert.equal(code, "conflict");
    }
    assert.ok(performance.now() - startedAt < bench.patience, "cursors that are garbage cost too much");
    assert.deepEqual(await b.tails(["never"]), ["origin"]);
  },
};

function garbage(id: EventId): string[] {
  const { epoch, seq, tag } = partsOf(id);
  return [
    "",
    " ",
    "0",
    "-1",
    "1e9",
    "NaN",
    "null",
    "undefined",
    "[object Object]",
    "__proto__",
    "constructor",
    "Origin",
    " origin",
    "tail\n",
    "0-0",
    "1700000000000-0",
    "$",
    "+",
    "*",
    "%",
    "../../etc/passwd",
    "'; DROP TABLE events; --",
    "\u0000",
    "\ud800",
    "🌊",
    "9".repeat(400),
    "a".repeat(1_000_000),
    id.toUpperCase(),
    ` ${id}`,
    `${id}\n`,
    `${id}x`,
    id.slice(0, -1),
    `${id},${id}`,
    `${epoch}.b${seq}${tag}`,
    `${epoch}.b0${seq}${tag}`,
    `${epoch}.a0${tag}`,
    `.a${seq}${tag}`,
    `${epoch}.p9999999999999999${tag}`,
    `${epoch}${epoch}${epoch}.a${seq}${tag}`,
  ];
}

function otherTag(id: string): EventId {
  const parts = partsOf(id);
  return formatEventId({ ...parts, tag: parts.tag === "zzzz" ? "yyyy" : "zzzz" });
}

function partsOf(id: string): EventIdParts {
  const parts = parseEventId(id);
  assert.ok(parts !== undefined, `${id} is no event id`);
  return parts;
}
