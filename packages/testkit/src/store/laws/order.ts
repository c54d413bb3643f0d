import assert from "node:assert/strict";
import type { EventStore, NewEvent, Slice } from "@sluice/core";
import { datasOf, failure, numbered, readAll } from "../bench.ts";
import type { Bench, Nodes } from "../bench.ts";
import { checkAgreement, checkSlice, History, seqOf } from "../history.ts";
import { without } from "../without.ts";
import type { Laws } from "./law.ts";

/** What a log is: one order, the same for everybody. */
export const order: Laws = {
  "law 1: reads are contiguous runs, and all readers agree": async (bench) => {
    const { a, b } = await bench.open();
    for (let i = 0; i < 30; i += 3) await (i % 2 === 0 ? a : b).append("c", numbered(3, i));
    const histories = await Promise.all([readAll(a, "c", "origin"), readAll(b, "c", "origin"), readAll(b, "c")]);
    for (const { datas } of histories)
      assert.deepEqual(
        datas,
        numbered(30).map(({ data }) => data),
      );
    checkAgreement(histories);
  },

  "law 1: upToDate says whether more was stored": async (bench) => {
    const { a } = await bench.open();
    assert.deepEqual(await a.read("c", "origin"), {
      from: "origin",
      events: [],
      next: "origin",
      upToDate: true,
      closed: false,
    });
    await a.append("c", numbered(5));
    const first = await a.read("c", "origin", { limit: 3 });
    assert.deepEqual([datasOf(first), first.upToDate], [["0", "1", "2"], false]);
    const rest = await a.read("c", first.next, { limit: 2 });
    assert.deepEqual([datasOf(rest), rest.upToDate, rest.closed], [["3", "4"], true, false]);
  },

  "law 1: events come back as they were appended": async (bench) => {
    const { a, b } = await bench.open();
    const events: NewEvent[] = [
      { data: "" },
      { data: "größe 🌊 \u2028 two\nlines\r\nand\ttabs" },
      { data: `'"\\ $1 %s {} \u0000 --` },
      { data: '{"a":1}', event: "update", key: "user:7" },
      { data: "x", event: "é", key: "" },
      { data: "y".repeat(100_000) },
    ];
    const before = Date.now();
    await a.append("c", events);
    const stored = (await readAll(b, "c")).events;
    assert.deepEqual(
      stored.map((event) => without(event, "id", "at")),
      events,
    );
    for (const { at } of stored) assert.ok(Math.abs(at - before) < 3_600_000, `at is ${at}: it is in ms since 1970`);
  },

  "law 1: an append of nothing changes nothing": async (bench) => {
    const { a, b } = await bench.open();
    assert.deepEqual(await a.append("c", []), { tail: "origin", duplicate: false });
    const { tail } = await a.append("c", numbered(1));
    assert.deepEqual(await b.append("c", []), { tail, duplicate: false });
    assert.deepEqual((await readAll(a, "c")).datas, ["0"]);
  },

  "law 1: channels have nothing to do with each other, whatever their names": async (bench) => {
    const { a, b } = await bench.open();
    const names = [
      "c",
      "C",
      "c:1",
      "c*",
      "c%",
      "c_",
      "{c}",
      "c/../d",
      "__proto__",
      "constructor",
      "ü",
      "u\u0308",
      "🌊",
      "a b",
      "'",
    ];
    for (const [i, name] of names.entries()) await a.append(name, numbered(1, i));
    await b.drop("c*");
    await b.drop("c%");
    await b.drop("c_");
    for (const [i, name] of names.entries()) {
      const expected = ["c*", "c%", "c_"].includes(name) ? [] : [String(i)];
      assert.deepEqual([name, (await readAll(b, name)).datas], [name, expected]);
    }
    const known = names.filter((name) => !/^c[*%_]$/.test(name));
    const tails = await b.tails(["never", ...known, "never", "c"]);
    const expected = [];
    for (const name of known) expected.push((await a.read(name, "tail")).next);
    assert.deepEqual(tails, ["origin", ...expected, "origin", expected[0]]);
    assert.equal(new Set(expected.map((tail) => tail.split(".")[0])).size, known.length, "two channels share an epoch");
    assert.deepEqual(await a.tails([]), []);
  },

  "law 2: ids are unique, increasing and safe in a header, and a new append has a new tag": async (bench) => {
    const { a, b } = await bench.open();
    for (let i = 0; i < 120; i++) await (i % 3 === 0 ? a : b).append("c", numbered(1, i));
    const ids = (await readAll(a, "c")).events.map(({ id }) => id);
    assert.equal(new Set(ids).size, 120);
    assert.deepEqual(ids.toSorted(), ids);
    assert.deepEqual(
      ids.map(seqOf),
      numbered(120).map((_, i) => i + 1),
    );
    assert.ok(new Set(ids.map((id) => id.slice(-4))).size > 60, "appends share their tags: make them with randomTag");
  },

  "law 2: replay and live carry the same id": async (bench) => {
    const { a, b } = await bench.open();
    const first = await a.append("c", numbered(1));
    assert.equal(first.tail, (await b.read("c", "tail")).next);
    const hints: Slice[] = [];
    const watching = new AbortController();
    await b.watch("c", (hint) => void (hint !== undefined && hints.push(hint)), watching.signal);
    const live = bench.history(b, "c", "origin", ({ events }) => events.length >= 31);
    for (let i = 1; i < 31; i += 2) await (i % 3 === 0 ? a : b).append("c", numbered(2, i));
    const [seen, replayed] = [await live, await readAll(a, "c", "origin")];
    watching.abort();
    assert.deepEqual(seen.events, replayed.events);
    // A hint is what a read from its `from` would have found.
    for (const hint of hints) {
      checkSlice(hint.from, hint);
      const at = seqOf(hint.from);
      assert.deepEqual(hint.events, replayed.events.slice(at, at + hint.events.length));
    }
  },

  "law 3: an acknowledged append is visible from every node": async (bench) => {
    const { a, b } = await bench.open();
    for (let i = 0; i < 40; i++) {
      const [writer, reader] = i % 2 === 0 ? [a, b] : [b, a];
      const { tail } = await writer.append("c", numbered(1, i));
      assert.deepEqual(await reader.tails(["c"]), [tail]);
      const slice = await reader.read("c", "tail");
      assert.deepEqual([slice.next, slice.events], [tail, []]);
      assert.equal((await readAll(reader, "c")).datas.length, i + 1);
    }
  },

  "law 4: a batch is atomic": async (bench) => {
    const { a, b } = await bench.open();
    const size = 7;
    const batches = 20;
    const looking = new AbortController();
    const looks = [a, b].map(async (node) => {
      while (!looking.signal.aborted) {
        const slice = await node.read("c", "origin", { limit: size * batches });
        assert.equal(
          slice.events.length % size,
          0,
          `a reader sees ${slice.events.length} events of batches of ${size}`,
        );
        const [tail = "origin"] = await node.tails(["c"]);
        assert.equal(seqOf(tail) % size, 0, `the tail is ${tail} between batches of ${size}`);
        await nextTurn();
      }
    });
    const writing = async (node: EventStore): Promise<void> => {
      for (let i = 0; i < batches / 2 && !looking.signal.aborted; i++) await node.append("c", numbered(size));
    };
    await Promise.race([Promise.all([writing(a), writing(b)]), ...looks]);
    looking.abort();
    await Promise.all(looks);
    assert.equal((await readAll(a, "c")).events.length, size * batches);
  },

  "law 4: what cannot be appended whole is not appended in part": async (bench) => {
    const { a, b } = await bench.open({ retention: { maxBytes: 10_000 } });
    const { tail } = await a.append("c", numbered(1));
    const code = await failure(a.append("c", [...numbered(2), { data: "x".repeat(100_000) }, ...numbered(2)]));
    if (code === undefined) return; // This store takes it, and so took all.
    assert.equal(code, "too-large");
    assert.deepEqual([(await readAll(b, "c")).datas, await a.tails(["c"])], [["0"], [tail]]);
  },

  "law 5: of concurrent appends none is lost, and each writer's order is kept": async (bench) => {
    await concurrentAppends(bench, async ({ a, b }, count) => {
      const readers = [a, b, a, b].map((node) =>
        bench.history(node, "c", "origin", ({ events }) => events.length >= count),
      );
      return Promise.all(readers);
    });
  },

  "law 5: an event is never visible before all that are numbered below it": async (bench) => {
    await concurrentAppends(bench, async ({ a, b }, count) => {
      const busy = async (node: EventStore): Promise<History> => {
        const history = new History("origin");
        const startedAt = performance.now();
        for (let slice: Slice | undefined; history.events.length < count; await nextTurn()) {
          slice = await node.read("c", slice?.next ?? "origin", { limit: 3 });
          history.add(slice);
          if (performance.now() - startedAt > bench.patience) throw new Error(`a reader is stuck behind ${slice.next}`);
        }
        return history;
      };
      return Promise.all([busy(a), busy(b)]);
    });
  },
};

async function concurrentAppends(
  bench: Bench,
  read: (nodes: Nodes, count: number) => Promise<readonly History[]>,
): Promise<void> {
  const nodes = await bench.open();
  const writers = 6;
  const batches = 15;
  const write = async (writer: number): Promise<void> => {
    for (let i = 0; i < batches; i++) {
      const events = [{ data: `${writer}.${i}.0` }, { data: `${writer}.${i}.1` }].slice(0, 1 + (i % 2));
      await (writer % 2 === 0 ? nodes.a : nodes.b).append("c", events);
    }
  };
  const each = batches + Math.floor(batches / 2);
  const [histories] = await Promise.all([
    read(nodes, writers * each),
    ...Array.from({ length: writers }, (_, writer) => write(writer)),
  ]);
  checkAgreement(histories);
  const expected = (await readAll(nodes.b, "c")).datas;
  assert.equal(expected.length, writers * each);
  for (const { datas } of histories) assert.deepEqual(datas, expected);
  for (let writer = 0; writer < writers; writer++) {
    const own = expected.filter((data) => data.startsWith(`${writer}.`)).map((data) => data.split(".").map(Number));
    const sorted = own.toSorted(([, i = 0, j = 0], [, k = 0, l = 0]) => i - k || j - l);
    assert.deepEqual(own, sorted, `the order of writer ${writer} is not kept`);
    assert.equal(own.length, each);
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
