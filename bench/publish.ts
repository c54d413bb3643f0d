// Speed of publishing into memory, without readers, in one process: `pnpm --filter ./bench publish`.
import { createHub } from "@sluice/core";

const EVENTS = 200_000;
const BATCH = 100;
const ROUNDS = 11;
/** As many as the memory store retains by default. */
const KEPT = 1000;

interface Event {
  readonly event: string;
  readonly data: string;
}

type Publish = (events: readonly Event[]) => unknown;
/** Called after the clock has stopped: checks what was published. */
type Check = () => Promise<void>;
type Contestant = readonly [name: string, run: (batches: readonly (readonly Event[])[]) => Promise<Check>];

const limit: Contestant = ["limit: await, and a push onto an array", pushAll];
const contestants: readonly Contestant[] = [limit, ["Sluice, channel.publish", publishOurs]];

for (const [title, size] of [
  ["one at a time", 1],
  [`in batches of ${BATCH}`, BATCH],
] as const) {
  const batches = batchesOf(size);
  const times = new Map<string, number[]>(contestants.map(([name]) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, run] of contestants) {
      const startedAt = performance.now();
      const check = await run(batches);
      times.get(name)?.push(performance.now() - startedAt);
      await check();
    }
  }
  const rate = (name: string): number => EVENTS / 1000 / median(times.get(name) ?? []);
  console.log(`Million events a second, ${title}, and in brackets the ratio to the limit; medians of ${ROUNDS}.`);
  for (const [name] of contestants)
    console.log(`  ${name}: ${rate(name).toFixed(2)} (${(rate(name) / rate(limit[0])).toFixed(2)})`);
}

async function publishOurs(batches: readonly (readonly Event[])[]): Promise<Check> {
  const hub = createHub();
  const channel = hub.channel("c");
  await publishAll((events) => channel.publish(events.length === 1 ? (events[0] as Event) : events), batches);
  return async () => {
    const kept: string[] = [];
    for await (const item of channel.read("start")) {
      if (item.type === "live") break;
      if (item.type === "event") kept.push(item.data);
    }
    checkNewest(kept);
    await hub.close();
  };
}

async function pushAll(batches: readonly (readonly Event[])[]): Promise<Check> {
  const kept: Event[] = [];
  const push = async (events: readonly Event[]): Promise<void> => {
    for (const event of events) kept.push({ ...event });
    if (kept.length >= 2 * KEPT) kept.splice(0, kept.length - KEPT);
  };
  await publishAll(push, batches);
  return async () => checkNewest(kept.slice(-KEPT).map(({ data }) => data));
}

async function publishAll(publish: Publish, batches: readonly (readonly Event[])[]): Promise<void> {
  for (const events of batches) await publish(events);
}

/** The events that retention keeps, in order. */
function checkNewest(datas: readonly string[]): void {
  const wrong = datas.findIndex((data, i) => data !== dataOf(EVENTS - KEPT + i));
  if (datas.length === KEPT && wrong === -1) return;
  throw new Error(`Of what was published ${datas.length} events are kept, and number ${wrong} is wrong`);
}

function batchesOf(size: number): readonly (readonly Event[])[] {
  return Array.from({ length: EVENTS / size }, (_, batch) =>
    Array.from({ length: size }, (__, i) => ({ event: "tick", data: dataOf(batch * size + i) })),
  );
}

function dataOf(number: number): string {
  return `hello world, this is event ${number}`;
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] as number;
}
