import assert from "node:assert/strict";
import type { EventId } from "@sluice/core";
import { failure, lastOf, numbered, readAll, sleep } from "../bench.ts";
import type { Nodes } from "../bench.ts";
import { epochOf, seqOf } from "../history.ts";
import type { Laws } from "./law.ts";

const KEPT = 10;

/** What becomes of the oldest events. */
export const retention: Laws = {
  "law 8: the tail and the boundary of what was removed are positions, not gaps": async (bench) => {
    const { a, b } = await bench.open({ retention: { maxEvents: KEPT } });
    const ids = await fill({ a, b });
    for (const node of [a, b]) {
      const start = await node.read("c", "start");
      const boundary = ids[seqOf(start.from) - 1];
      assert.equal(start.from, boundary, "`from` of the first slice is not the last event that was removed");
      assert.equal(start.gap, undefined);
      assert.deepEqual((await node.read("c", boundary as EventId)).events, start.events);
      assert.equal((await node.read("c", boundary as EventId)).gap, undefined);
      const tail = ids.at(-1) as EventId;
      assert.deepEqual(await node.read("c", tail), {
        from: tail,
        events: [],
        next: tail,
        upToDate: true,
        closed: false,
      });
      assert.deepEqual(await node.read("c", "tail"), {
        from: tail,
        events: [],
        next: tail,
        upToDate: true,
        closed: false,
      });
    }
  },

  "law 8: where all events have gone, the tail is still a position, and numbers go on": async (bench) => {
    const { a, b } = await bench.open({ retention: { maxAge: 50 } });
    await a.append("c", numbered(2));
    const ids = (await readAll(a, "c")).events.map(({ id }) => id);
    const { tail } = await a.append("c", numbered(1, 2));
    await bench.until(
      async () => (await b.read("c", "start")).events.length === 0,
      "what is older than maxAge is still there",
    );
    for (const cursor of ["start", "tail", tail]) {
      assert.deepEqual(await b.read("c", cursor), {
        from: tail,
        events: [],
        next: tail,
        upToDate: true,
        closed: false,
      });
    }
    for (const cursor of ["origin", ...ids]) assert.equal((await b.read("c", cursor)).gap, "truncated");
    assert.deepEqual(await a.tails(["c"]), [tail]);
    assert.equal(await failure(b.append("c", numbered(1), { ifTail: "origin" })), "conflict");
    const next = await b.append("c", numbered(1, 3), { ifTail: tail });
    assert.equal(seqOf(next.tail), 4);
  },

  "law 9: truncation is always signalled": async (bench) => {
    const { a, b } = await bench.open({ retention: { maxEvents: KEPT } });
    const ids = await fill({ a, b });
    const start = await b.read("c", "start");
    for (const id of ["origin", ...ids]) {
      const slice = await b.read("c", id);
      const isGone = seqOf(id) < seqOf(start.from);
      assert.deepEqual([id, slice.gap, slice.from], [id, isGone ? "truncated" : undefined, isGone ? start.from : id]);
    }
  },

  "law 9: a reader that falls behind is told, and goes on at the oldest": async (bench) => {
    const { a, b } = await bench.open({ retention: { maxEvents: KEPT } });
    await a.append("c", numbered(3));
    const slow = bench.follow(b, "c", "origin", { pollEvery: 50, limit: 2 })[Symbol.asyncIterator]();
    try {
      const first = await bench.within(slow.next(), () => "a reader gets nothing");
      assert.equal(first.value?.events.length, 2);
      await fill({ a, b });
      const second = await bench.within(slow.next(), () => "a reader that fell behind gets nothing");
      assert.equal(second.value?.gap, "truncated");
      assert.equal(second.value.from, (await a.read("c", "start")).from);
    } finally {
      await slow.return?.(undefined);
    }
  },

  "law 19: retention removes the oldest first, by number, and leaves no holes": async (bench) => {
    const { a, b } = await bench.open({ retention: { maxEvents: KEPT } });
    const ids = await fill({ a, b });
    const kept = (await readAll(b, "c")).events;
    assert.ok(
      kept.length >= KEPT && kept.length < ids.length,
      `of ${ids.length} events ${kept.length} are kept, where maxEvents is ${KEPT}`,
    );
    assert.deepEqual(
      kept.map(({ id }) => id),
      ids.slice(-kept.length),
    );
    // A batch over the limit goes in part: its newest stay.
    const { tail } = await a.append("c", numbered(15 * KEPT, 1000));
    const { events, datas } = await readAll(b, "c");
    assert.equal(lastOf(events).id, tail);
    assert.deepEqual(
      datas,
      numbered(15 * KEPT, 1000)
        .map(({ data }) => data)
        .slice(-datas.length),
    );
  },

  "law 19: retention removes the oldest first, by bytes, and leaves no holes": async (bench) => {
    const { a, b } = await bench.open({ retention: { maxBytes: 10_000 } });
    for (let i = 0; i < 100; i++)
      await (i % 2 === 0 ? a : b).append("c", [{ data: String(i).padEnd(i % 7 === 0 ? 1500 : 400) }]);
    const { events, slices } = await readAll(b, "c");
    assert.ok(events.length > 0 && events.length < 100, `${events.length} of 100 events are kept`);
    assert.equal(seqOf(slices[0]?.from ?? "origin") + events.length, 100);
    assert.equal((await a.read("c", "origin")).gap, "truncated");
  },

  "law 19: to expire is to be dropped, where it was not closed": async (bench) => {
    const { a, b } = await bench.open({ maxIdle: 100 });
    const { tail } = await a.append("c", numbered(3));
    const producer = { id: "p", epoch: 0, seq: 0 };
    await a.append("c", numbered(1), { producer });
    await sleep(100);
    await bench.until(async () => (await b.tails(["c"]))[0] === "origin", "an idle channel is still there", 250);
    assert.equal((await b.read("c", tail)).gap, "reset");
    const again = await b.append("c", numbered(5));
    assert.equal(seqOf(again.tail), 5);
    assert.notEqual(epochOf(again.tail), epochOf(tail), "a channel keeps its epoch when it has expired");
    assert.equal((await a.read("c", tail)).gap, "reset");
  },
};

/** Appends so much that retention has to remove something, however lazy it is. @returns all ids, in order */
async function fill({ a, b }: Pick<Nodes, "a" | "b">): Promise<EventId[]> {
  const ids: EventId[] = (await readAll(a, "c", "origin")).events.map(({ id }) => id);
  for (let i = 0; i < 20 * KEPT; i += 4) {
    const { tail } = await (i % 8 === 0 ? a : b).append("c", numbered(4, i));
    const slice = await a.read("c", ids.at(-1) ?? "origin");
    ids.push(...slice.events.map(({ id }) => id));
    assert.equal(ids.at(-1), tail);
  }
  return ids;
}
