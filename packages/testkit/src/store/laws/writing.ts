import assert from "node:assert/strict";
import { formatEventId } from "@sluice/core";
import { failure, numbered, readAll, sleep } from "../bench.ts";
import { epochOf } from "../history.ts";
import type { Laws } from "./law.ts";

/** What writers can rely on. */
export const writing: Laws = {
  "law 13: an append that is repeated with its producer takes effect once": async (bench) => {
    const { a, b } = await bench.open();
    const append = (node: typeof a, seq: number, epoch = 0): ReturnType<typeof a.append> =>
      node.append("c", numbered(2, seq * 2), { producer: { id: "p", epoch, seq } });
    const first = await append(a, 0);
    assert.deepEqual(await append(b, 0), { tail: first.tail, duplicate: true });
    const second = await append(b, 1);
    assert.deepEqual(await append(a, 1), { tail: second.tail, duplicate: true });
    assert.equal((await append(a, 0)).duplicate, true);
    await b.append("c", numbered(1, 4));
    assert.equal((await append(a, 1)).duplicate, true);
    assert.deepEqual((await readAll(a, "c")).datas, ["0", "1", "2", "3", "4"]);
  },

  "law 13: a gap and a stale epoch are told apart, and leave nothing": async (bench) => {
    const { a, b } = await bench.open();
    const append = (node: typeof a, epoch: number, seq: number): Promise<string | undefined> =>
      failure(node.append("c", [{ data: `${epoch}.${seq}` }], { producer: { id: "p", epoch, seq } }));
    assert.equal(await append(a, 0, 1), "sequence");
    assert.equal(await append(a, 0, 0), undefined);
    assert.equal(await append(b, 0, 2), "sequence");
    assert.equal(await append(b, 1, 1), "sequence");
    assert.equal(await append(b, 1, 0), undefined);
    assert.equal(await append(a, 0, 0), "fenced");
    assert.equal(await append(a, 0, 1), "fenced");
    assert.equal(await append(a, 1, 1), undefined);
    assert.equal(await append(a, 7, 0), undefined);
    // Another producer, and the same one on another channel, are others.
    assert.equal(await failure(b.append("c", [{ data: "q" }], { producer: { id: "q", epoch: 0, seq: 0 } })), undefined);
    assert.equal(await failure(b.append("d", [{ data: "p" }], { producer: { id: "p", epoch: 0, seq: 0 } })), undefined);
    assert.deepEqual((await readAll(b, "c")).datas, ["0.0", "1.0", "1.1", "7.0", "q"]);
  },

  "law 13: ten retries that race have one effect": async (bench) => {
    const { a, b } = await bench.open();
    for (let seq = 0; seq < 5; seq++) {
      const race = Array.from({ length: 10 }, (_, i) =>
        (i % 2 === 0 ? a : b).append("c", numbered(2, seq * 2), { producer: { id: "p", epoch: 0, seq } }),
      );
      const results = await Promise.all(race);
      assert.equal(results.filter(({ duplicate }) => !duplicate).length, 1);
      assert.equal(new Set(results.map(({ tail }) => tail)).size, 1);
    }
    assert.deepEqual(
      (await readAll(b, "c")).datas,
      numbered(10).map(({ data }) => data),
    );
  },

  "law 13: an append that was refused has not used up its number": async (bench) => {
    const { a, b } = await bench.open();
    const { tail } = await a.append("c", numbered(1));
    const producer = { id: "p", epoch: 0, seq: 0 };
    assert.equal(await failure(a.append("c", numbered(1, 1), { producer, ifTail: "origin" })), "conflict");
    assert.equal((await b.append("c", numbered(1, 1), { producer, ifTail: tail })).duplicate, false);
    // The retry is a duplicate before it is a conflict.
    assert.equal((await b.append("c", numbered(1, 1), { producer, ifTail: tail })).duplicate, true);
    assert.deepEqual((await readAll(a, "c")).datas, ["0", "1"]);
  },

  "law 14: an append whose tail is not the tail is a conflict": async (bench) => {
    const { a, b } = await bench.open();
    const first = await a.append("c", numbered(1), { ifTail: "origin" });
    assert.equal(await failure(b.append("c", numbered(1, 9), { ifTail: "origin" })), "conflict");
    const second = await b.append("c", numbered(2, 1), { ifTail: first.tail });
    assert.equal(await failure(a.append("c", numbered(1, 9), { ifTail: first.tail })), "conflict");
    assert.equal(await failure(a.append("never", numbered(1), { ifTail: first.tail })), "conflict");
    await a.append("c", numbered(1, 3), { ifTail: second.tail });
    assert.deepEqual([(await readAll(b, "c")).datas, await b.tails(["never"])], [["0", "1", "2", "3"], ["origin"]]);
    await a.drop("c");
    assert.equal(await failure(b.append("c", numbered(1), { ifTail: second.tail })), "conflict");
    assert.equal(await failure(b.append("c", numbered(1), { ifTail: "origin" })), undefined);
  },

  "law 14: of those who race for one tail, one wins": async (bench) => {
    const { a, b } = await bench.open();
    let ifTail = "origin";
    for (let round = 0; round < 5; round++) {
      const race = Array.from({ length: 10 }, (_, i) =>
        (i % 2 === 0 ? a : b).append("c", [{ data: `${round}.${i}` }], { ifTail }),
      );
      const results = await Promise.allSettled(race);
      const won = results.flatMap((result) => (result.status === "fulfilled" ? result.value.tail : []));
      assert.equal(won.length, 1, `${won.length} of ten have won the race`);
      for (const result of results) {
        if (result.status === "rejected") assert.equal(await failure(Promise.reject(result.reason)), "conflict");
      }
      ifTail = won[0] as string;
    }
    assert.equal((await readAll(b, "c")).events.length, 5);
  },

  "law 15: a closed channel ends, refuses appends, and stays closed": async (bench) => {
    const { a, b } = await bench.open();
    await a.append("c", numbered(3));
    const { tail } = await a.append("c", numbered(2, 3), { close: true });
    for (const node of [a, b]) {
      assert.equal(await failure(node.append("c", numbered(1, 9))), "closed");
      assert.equal(await failure(node.append("c", numbered(1, 9), { close: true })), "closed");
      assert.deepEqual(await node.append("c", [], { close: true }), { tail, duplicate: false });
      const slice = await node.read("c", tail);
      assert.deepEqual([slice.events, slice.upToDate, slice.closed, slice.gap], [[], true, true, undefined]);
      const some = await node.read("c", "origin", { limit: 4 });
      assert.deepEqual([some.upToDate, some.closed], [false, false]);
      assert.equal((await node.read("c", some.next)).closed, true);
      const { datas, slices } = await readAll(node, "c");
      assert.deepEqual([datas, slices.at(-1)?.closed], [["0", "1", "2", "3", "4"], true]);
    }
    await b.drop("c");
    await a.append("c", numbered(1));
    assert.equal((await b.read("c", "start")).closed, false);
  },

  "law 15: a channel without events can be closed": async (bench) => {
    const { a, b } = await bench.open();
    assert.deepEqual(await a.append("c", [], { close: true }), { tail: "origin", duplicate: false });
    const slice = await b.read("c", "origin");
    assert.deepEqual(slice, { from: "origin", events: [], next: "origin", upToDate: true, closed: true });
    assert.equal(await failure(b.append("c", numbered(1))), "closed");
  },

  "law 15: to close is atomic with the last events, and a retried close is a duplicate": async (bench) => {
    const { a, b } = await bench.open();
    for (let round = 0; round < 10; round++) {
      const channel = `c${round}`;
      await a.append(channel, numbered(1));
      let isOver = false;
      const look = async (): Promise<void> => {
        for (let turn = 0; !isOver; turn++) {
          const { events, closed } = await b.read(channel, "origin");
          assert.equal(closed, events.length === 3, `a reader sees ${events.length} of 3 events, closed: ${closed}`);
          await (turn % 2 === 0 ? undefined : sleep(0));
        }
      };
      const close = async (): Promise<void> => {
        const closing = { producer: { id: "p", epoch: 0, seq: 0 }, close: true };
        const { tail } = await a.append(channel, numbered(2, 1), closing);
        assert.deepEqual(await b.append(channel, numbered(2, 1), closing), { tail, duplicate: true });
        await sleep(1);
      };
      await Promise.all([look(), close().finally(() => (isOver = true))]);
    }
  },

  "law 15: a closed channel that has expired is closed still, until it is dropped": async (bench) => {
    const { a, b } = await bench.open({ maxIdle: 100 });
    await a.append("empty", [], { close: true });
    const { tail: early } = await a.append("c", numbered(1));
    const { tail } = await a.append("c", numbered(2, 1), { close: true });
    await sleep(100);
    await bench.until(
      async () => (await b.read("c", "start")).events.length === 0,
      "an idle channel still has its events",
      250,
    );
    const end = { from: tail, events: [], next: tail, upToDate: true, closed: true };
    const beyond = formatEventId({ epoch: epochOf(tail) ?? "", seq: 4, tag: "aaaa" });
    for (const node of [a, b]) {
      assert.deepEqual(await node.tails(["c", "empty"]), [tail, "origin"], "the tail of a closed channel has expired");
      for (const cursor of ["start", "tail", tail]) assert.deepEqual(await node.read("c", cursor), end);
      for (const cursor of ["origin", early]) {
        assert.deepEqual(await node.read("c", cursor), { ...end, gap: "truncated" });
      }
      assert.deepEqual(await node.read("c", beyond), { ...end, gap: "reset" });
      assert.deepEqual(await node.read("c", "garbage"), { ...end, gap: "unknown" });
      assert.deepEqual(await node.read("empty", "origin"), { ...end, from: "origin", next: "origin" });
      for (const channel of ["c", "empty"]) {
        assert.equal(await failure(node.append(channel, numbered(1, 9))), "closed");
        const producer = { id: "p", epoch: 0, seq: 3 };
        assert.equal(await failure(node.append(channel, numbered(1, 9), { producer, ifTail: "origin" })), "closed");
      }
      assert.deepEqual(await node.append("c", [], { close: true }), { tail, duplicate: false });
    }
    const { slices } = await bench.history(b, "c", early);
    assert.deepEqual(slices, [{ ...end, gap: "truncated" }]);
    await b.drop("c");
    assert.deepEqual([await a.tails(["c"]), (await a.read("c", tail)).closed], [["origin"], false]);
    const again = await a.append("c", numbered(5));
    assert.notEqual(epochOf(again.tail), epochOf(tail), "a closed channel keeps its epoch when it has been dropped");
    assert.equal((await b.read("c", tail)).gap, "reset");
  },

  "law 15: to close wakes the readers": async (bench) => {
    const { a, b } = await bench.open();
    await a.append("c", numbered(2));
    const readers = [a, b].map((node) => bench.history(node, "c", "origin"));
    const late = bench.history(b, "c", "tail");
    await sleep(30);
    await a.append("c", [], { close: true });
    for (const { datas, slices } of await Promise.all(readers)) {
      assert.deepEqual([datas, slices.at(-1)?.closed], [["0", "1"], true]);
    }
    assert.equal((await late).slices.at(-1)?.closed, true);
  },
};
