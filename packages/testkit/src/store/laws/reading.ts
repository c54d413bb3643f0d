import assert from "node:assert/strict";
import type { Cursor, Slice } from "@sluice/core";
import { numbered, readAll, SkippedLaw, sleep } from "../bench.ts";
import { checkAgreement, seqOf } from "../history.ts";
import { pick, randomFrom } from "../random.ts";
import { override } from "../wrap.ts";
import type { Laws } from "./law.ts";

/** What readers get who come, go and come back. */
export const reading: Laws = {
  "law 6: whoever joins, and whenever, gets every event once and in order": async (bench) => {
    const { a, b } = await bench.open();
    const random = randomFrom(6);
    const { tail } = await a.append("c", numbered(5));
    const middle = (await a.read("c", "origin", { limit: 2 })).next;
    const written = numbered(5).map(({ data }) => data);
    const pause = async (): Promise<void> => {
      if (random() < 0.2) await sleep(1);
      for (let turns = random() * 6; turns > 0; turns--) await Promise.resolve();
    };
    const write = async (node: typeof a): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        await pause();
        await node.append("c", numbered(1 + (i % 2)));
      }
    };
    const join = async (after: Cursor): Promise<void> => {
      for (let turns = random() * 40; turns > 0; turns--) await pause();
      const history = await bench.history(pick(random, [a, b]), "c", after, undefined, pick(random, [undefined, 2]));
      const [first] = history.slices;
      assert.ok(first !== undefined);
      const from = seqOf(first.from);
      assert.ok(after === "tail" ? from >= 5 : from === { origin: 0, start: 0, [middle]: 2, [tail]: 5 }[after]);
      assert.deepEqual([history.gaps, history.events.length], [[], written.length - from]);
      histories.push(history);
    };
    const histories: Awaited<ReturnType<typeof readAll>>[] = [];
    const cursors: Cursor[] = ["origin", "start", "tail", middle, tail];
    const joiners = Array.from({ length: 25 }, (_, i) => join(cursors[i % cursors.length] as Cursor));
    const writers = Promise.all([write(a), write(b)]).then(async () => {
      written.push(...(await readAll(a, "c", tail)).datas);
      await a.append("c", [], { close: true });
    });
    await Promise.all([writers, ...joiners]);
    checkAgreement(histories);
  },

  "law 6: an event between a joiner's read and its doorbell reaches it": async (bench) => {
    const { a, b } = await bench.open();
    for (let turns = 0; turns < 24; turns++) {
      const channel = `c${turns}`;
      await a.append(channel, numbered(1));
      const joined = bench.history(b, channel, "origin", ({ events }) => events.length >= 3);
      for (let i = 0; i < turns; i++) await (i > 12 ? sleep(0) : undefined);
      await a.append(channel, numbered(1, 1));
      await sleep(1);
      await a.append(channel, numbered(1, 2));
      assert.deepEqual((await joined).datas, ["0", "1", "2"]);
    }
  },

  "law 7: a resume from any id gives exactly what follows it": async (bench) => {
    const { a, b } = await bench.open();
    for (let i = 0; i < 24; i += 3) await a.append("c", numbered(3, i));
    const all = (await readAll(a, "c")).events;
    for (const [i, { id }] of all.entries()) {
      const { events, slices } = await readAll(i % 2 === 0 ? a : b, "c", id);
      assert.equal(slices[0]?.from, id);
      assert.deepEqual(events, all.slice(i + 1));
    }
  },

  "law 18: a read is bounded, by events and by bytes": async (bench) => {
    const { a } = await bench.open();
    await a.append(
      "c",
      Array.from({ length: 20 }, (_, i) => ({ data: String(i).padEnd(10_000) })),
    );
    assert.equal((await a.read("c", "origin", { limit: 1 })).events.length, 1);
    assert.equal((await a.read("c", "origin", { limit: 7 })).events.length, 7);
    const some = (await a.read("c", "origin", { maxBytes: 25_000 })).events.length;
    assert.ok(some >= 1 && some <= 5, `a read of 25,000 bytes has ${some} events of 10,000`);
    assert.equal(
      (await a.read("c", "origin", { maxBytes: 1 })).events.length,
      1,
      "one event is read whatever its size",
    );
    await a.append("d", numbered(300));
    const slice = await a.read("d", "origin");
    assert.ok(
      slice.events.length <= 256 && !slice.upToDate,
      `a read without a limit has ${slice.events.length} events`,
    );
  },

  "law 18: a stalled reader holds one slice, and delays nobody": async (bench) => {
    const { a, b } = await bench.open();
    let reads = 0;
    const counted = override(b, {
      read: (...call) => {
        reads++;
        return b.read(...call);
      },
    });
    await a.append("c", numbered(10));
    const stalled = bench.follow(counted, "c", "origin", { limit: 4, pollEvery: 50 })[Symbol.asyncIterator]();
    const slices: Slice[] = [];
    const take = async (): Promise<void> => {
      const { value } = await bench.within(stalled.next(), () => "a reader that had stalled gets nothing");
      if (value) slices.push(value);
    };
    await take();
    const before = reads;
    const other = bench.history(b, "c", "origin", ({ events }) => events.length >= 210);
    for (let i = 10; i < 210; i += 10) await a.append("c", numbered(10, i));
    assert.equal((await other).datas.length, 210);
    assert.equal(reads, before, "the store was read for a reader that asks for nothing");
    while (slices.flatMap(({ events }) => events).length < 210) await take();
    await stalled.return?.(undefined);
    assert.deepEqual(
      slices.flatMap(({ events }) => events.map(({ data }) => data)),
      numbered(210).map(({ data }) => data),
    );
    assert.ok(slices.slice(0, 3).every(({ events }) => events.length <= 4));
  },

  "the doorbell rings at every node, from when `watch` has resolved until its signal aborts": async (bench) => {
    if (bench.options.doorbell === false) throw new SkippedLaw("doorbell is false: the readers of this store poll");
    const { a, b } = await bench.open();
    for (const [writer, watcher] of [
      [a, b],
      [b, a],
      [a, a],
    ] as const) {
      const watching = new AbortController();
      let rings = 0;
      await watcher.watch("c", () => void rings++, watching.signal);
      await writer.append("c", numbered(1));
      await bench.until(async () => rings > 0, "nobody has rung for an append", 1);
      rings = 0;
      await sleep(20);
      watching.abort();
      rings = 0;
      await writer.append("c", numbered(1));
      await sleep(50);
      assert.equal(rings, 0, "the bell rings for somebody who has left");
      await watcher.watch("c", () => void rings++, AbortSignal.abort());
      await writer.append("c", numbered(1));
      await sleep(20);
      assert.equal(rings, 0, "the bell rings for somebody who had left before");
    }
  },
};
