import assert from "node:assert/strict";
import type { Cursor, EventStore, Producer } from "@sluice/core";
import { Bench, codeOf, numbered, readAll, sleep } from "../bench.ts";
import type { Nodes } from "../bench.ts";
import { checkAgreement, History } from "../history.ts";
import { randomFrom } from "../random.ts";
import { bellFaults, unreliable, withBellFault } from "../wrap.ts";
import type { Law, Laws } from "./law.ts";
import { order } from "./order.ts";
import { reading } from "./reading.ts";
import { retention } from "./retention.ts";
import { writing } from "./writing.ts";

/** What holds when the surroundings fail. */
export const faults: Laws = {
  ...Object.fromEntries(
    bellFaults.map((fault) => [
      `law 16: all holds with a doorbell that is ${fault}`,
      async ({ options }: Bench): Promise<void> => {
        for (const law of followed) {
          const bench = new Bench(options, (store) => withBellFault(store, fault));
          try {
            await law(bench);
          } finally {
            await bench.close();
          }
        }
      },
    ]),
  ),

  "law 17: an append of unknown outcome, retried with its producer, takes effect once": async (bench) => {
    const nodes = await bench.open();
    const random = randomFrom(17);
    const flaky = { ...nodes, a: unreliable(nodes.a, random), b: unreliable(nodes.b, random) };
    const soak = new Soak(bench, flaky, 40);
    await bench.within(soak.writers(), () => "the writers are not done");
    await soak.check(nodes.b);
  },

  "law 17: a backend killed and restarted, mid-append and mid-read: cursors continue, and each append takes effect once":
    async (bench) => {
      const [kill, restart] = [bench.needs("kill"), bench.needs("restart")];
      const nodes = await bench.open({ retention: { maxEvents: 1_000_000, maxBytes: 1_000_000_000 } });
      if (nodes.a.durability === "process") {
        const { tail } = await nodes.a.append("c", numbered(3));
        await kill(nodes.world);
        await restart(nodes.world);
        await retried(() => nodes.b.append("c", numbered(3)));
        assert.equal((await nodes.b.read("c", tail)).gap, "reset");
        return;
      }
      const soak = new Soak(bench, nodes, Infinity);
      const writers = soak.writers();
      for (let round = 0; round < Number(process.env["SLUICE_KILLS"] ?? 3); round++) {
        await sleep(50 + Math.random() * 300);
        await kill(nodes.world);
        await sleep(Math.random() * 100);
        await restart(nodes.world);
      }
      soak.stop();
      await bench.within(writers, () => "the writers are not done");
      await soak.check(nodes.b);
    },

  "law 20: a clock that is stepped by an hour changes nothing": async (bench) => {
    const { a, b, world } = await bench.open({ retention: { maxAge: 60_000 }, maxIdle: 120_000 });
    await a.append("c", numbered(2), { producer: { id: "p", epoch: 0, seq: 0 } });
    for (const [i, ms] of [3_600_000, -7_200_000].entries()) {
      await withClock(bench, world, ms, async () => {
        await b.append("c", numbered(2, 2 + i * 3));
        assert.equal((await b.append("c", numbered(2), { producer: { id: "p", epoch: 0, seq: 0 } })).duplicate, true);
        assert.equal((await readAll(b, "c", "origin")).events.length, 4 + i * 3);
      });
      await a.append("c", numbered(1, 4 + i * 3));
      assert.deepEqual(
        (await readAll(a, "c", "origin")).datas,
        numbered(5 + i * 3).map(({ data }) => data),
      );
    }
  },
};

/** The laws whose readers wait for the bell. */
const followed: readonly Law[] = [
  order["law 2: replay and live carry the same id"],
  order["law 5: of concurrent appends none is lost, and each writer's order is kept"],
  reading["law 6: whoever joins, and whenever, gets every event once and in order"],
  reading["law 6: an event between a joiner's read and its doorbell reaches it"],
  reading["law 18: a stalled reader holds one slice, and delays nobody"],
  retention["law 9: a reader that falls behind is told, and goes on at the oldest"],
  writing["law 15: to close wakes the readers"],
].filter((law) => law !== undefined);

/** Writers that retry and readers that come back, over nodes that fail; and what must be true when all is over. */
class Soak {
  readonly #bench: Bench;
  readonly #nodes: Nodes;
  readonly #count: number;
  readonly #written: string[][] = [];
  readonly #readers: Promise<History>[] = [];
  #stopped = false;
  /** A store that is not `sync` may lose the end of its log, and what it knew of its producers. */
  readonly #mayLose: boolean;

  /** @param count how many appends each writer makes */
  constructor(bench: Bench, nodes: Nodes, count: number) {
    this.#bench = bench;
    this.#nodes = nodes;
    this.#count = count;
    this.#mayLose = nodes.a.durability === "async";
  }

  async writers(): Promise<void> {
    const { a, b } = this.#nodes;
    this.#readers.push(this.#read(a), this.#read(b), this.#read(b));
    for (const reader of this.#readers) reader.catch(() => {});
    await Promise.all([this.#write(0, a), this.#write(1, b), this.#write(2, b)]);
    await retried(() => a.append("c", [], { close: true, producer: { id: "closer", epoch: 0, seq: 0 } }));
  }

  stop(): void {
    this.#stopped = true;
  }

  async check(node: EventStore): Promise<void> {
    const allRead = Promise.all(this.#readers);
    const histories = await this.#bench.within(allRead, () => "the readers have not come to the end");
    const all = await retried(() => readAll(node, "c"));
    checkAgreement([...(this.#mayLose ? [] : histories), all]);
    for (const { gaps, datas, slices } of histories) {
      assert.equal(slices.at(-1)?.next, all.slices.at(-1)?.next);
      if (gaps.length === 0) assert.deepEqual(datas, all.datas);
      else assert.ok(this.#mayLose, `a reader was told of a gap: ${gaps.join(", ")}`);
    }
    for (const [writer, written] of this.#written.entries()) {
      const own = all.datas.filter((data) => data.startsWith(`${writer}.`));
      const expected = this.#mayLose ? written.filter((data) => own.includes(data)) : written;
      assert.deepEqual(own, expected, `what writer ${writer} appended is lost, doubled or out of order`);
    }
  }

  async #write(writer: number, node: EventStore): Promise<void> {
    const written: string[] = [];
    this.#written[writer] = written;
    let producer: Producer = { id: `writer ${writer}`, epoch: 0, seq: 0 };
    for (let i = 0; i < this.#count && !this.#stopped; i++) {
      if (this.#count === Infinity) await sleep(1);
      const events = [{ data: `${writer}.${i}.0` }, { data: `${writer}.${i}.1` }];
      try {
        const sent = producer;
        await retried(() => node.append("c", events, { producer: sent }));
        written.push(...events.map(({ data }) => data));
        producer = { ...producer, seq: producer.seq + 1 };
      } catch (error) {
        if (!this.#mayLose || codeOf(error) !== "sequence") throw error;
        producer = { ...producer, epoch: producer.epoch + 1, seq: 0 };
      }
    }
  }

  /** Reads on from its cursor whenever the store fails it. */
  async #read(node: EventStore): Promise<History> {
    const history = new History("origin");
    for (let after: Cursor = "origin"; ;) {
      try {
        for await (const slice of this.#bench.follow(node, "c", after, { pollEvery: 20 })) {
          history.add(slice);
          after = slice.next;
          if (slice.closed) return history;
        }
      } catch (error) {
        if (codeOf(error) !== "unavailable") throw error;
        await sleep(5);
      }
    }
  }
}

async function retried<Result>(call: () => Promise<Result>): Promise<Result> {
  for (let tries = 0; ; tries++) {
    try {
      return await call();
    } catch (error) {
      if (codeOf(error) !== "unavailable" || tries === 2000) throw error;
      await sleep(Math.min(tries, 50));
    }
  }
}

async function withClock(bench: Bench, world: string, ms: number, run: () => Promise<void>): Promise<void> {
  const step = bench.options.faults?.stepClock ?? stepDate;
  await step(world, ms);
  try {
    await run();
  } finally {
    await step(world, -ms);
  }
}

const RealDate = Date;
let stepped = 0;

/** Steps the wall clock of this process; the clock that never steps goes on as it did. */
async function stepDate(_world: string, ms: number): Promise<void> {
  stepped += ms;
  globalThis.Date = stepped === 0 ? RealDate : SteppedDate;
}

const SteppedDate = new Proxy(RealDate, {
  get: (date, name) => (name === "now" ? () => RealDate.now() + stepped : Reflect.get(date, name)),
  construct: (date, values: [], target) =>
    Reflect.construct(date, values.length === 0 ? [RealDate.now() + stepped] : values, target),
});
