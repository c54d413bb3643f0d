// One channel to many connections on every platform, against the raw loop of the same platform:
// `pnpm --filter ./bench runtimes`. The table goes to stdout, what comes in on the way to stderr.
import { cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { EVENT_BYTES, single, ten, TOGETHER } from "../fanout/measures.ts";
import { compare, inWindows, median, withRigs } from "../fanout/rounds.ts";
import type { Results, Scale } from "../fanout/rounds.ts";
import { platforms } from "./processes.ts";
import { openRig } from "./rig.ts";
import type { Name, Rig } from "./rig.ts";

const { values: options } = parseArgs({
  options: {
    connections: { type: "string", default: "1000" },
    rounds: { type: "string" },
    only: { type: "string" },
    quick: { type: "boolean", default: false },
  },
});

const scale: Scale = {
  connections: Number(options.connections),
  rounds: Number(options.rounds ?? (options.quick ? 3 : 9)),
  // The kernel tells CPU in ticks of 10 ms, so windows are longer than where a process measures itself.
  length: options.quick ? 1 : 3,
};

/** What is asked of ours: CPU as a multiple of raw's. */
const MOST_SINGLE = 1.25;
const MOST_TEN = 1;

const STALLED = 100;
const READING = 5;
const LARGE_EVENT = 32 * 1024;
const PUBLISHED = 100_000_000;
/** By how much the server's process may grow, in bytes. */
const MOST_GROWTH = 50_000_000;

await main();

async function main(): Promise<void> {
  const chosen = options.only?.split(",") ?? platforms;
  const unknown = chosen.find((name) => !platforms.includes(name));
  if (unknown !== undefined) throw new Error(`No platform ${unknown}; there are ${platforms.join(", ")}`);
  const lines: string[] = [];
  for (const platform of chosen) lines.push(await lineOf(platform));
  console.log(
    `${cpus().length} × ${cpus()[0]?.model.trim()}, ${scale.connections} connections, events of ${EVENT_BYTES} bytes, ` +
      `medians of ${scale.rounds} rounds. CPU of one delivery in µs: raw, Sluice, and Sluice's as a multiple of raw's.\n`,
  );
  console.log(
    line([
      "",
      `one event at a time, at most ${MOST_SINGLE} × raw`,
      `${TOGETHER} published together, below raw`,
      `${STALLED} clients that read nothing and ${PUBLISHED / 1e6} MB: grows by less than ${MOST_GROWTH / 1e6} MB`,
    ]),
  );
  console.log(line(["---", "---", "---", "---"]));
  for (const text of lines) console.log(text);
}

async function lineOf(platform: string): Promise<string> {
  console.error(`${platform}, one at a time and ${TOGETHER} together`);
  const open = (name: Name): Promise<Rig> => openRig(platform, name, EVENT_BYTES);
  const { one, together } = await withRigs(["raw", "ours"] as const, open, scale.connections, async (rigs) => ({
    one: await inWindows(rigs, scale, single),
    together: await inWindows(rigs, scale, ten),
  }));
  console.error(`${platform}, stalled`);
  const growth = await growthOf(platform);
  return line([
    platform,
    cellOf(one, MOST_SINGLE, 1),
    cellOf(together, MOST_TEN, 2),
    `${isMet(growth < MOST_GROWTH)}, ${(growth / 1e6).toFixed(0)} MB`,
  ]);
}

/** How much larger the server's process was at the most than before the events that some of its clients do not take, in bytes. */
async function growthOf(platform: string): Promise<number> {
  const rig = await openRig(platform, "ours", LARGE_EVENT);
  const events = Math.ceil(PUBLISHED / LARGE_EVENT);
  const publish = async (count: number): Promise<number> => {
    let most = 0;
    for (let i = 0; i < count; i++) {
      await rig.reached(await rig.publish(1));
      if (i % 16 === 0) most = Math.max(most, rig.server.rss());
    }
    return most;
  };
  try {
    await rig.connect(READING);
    // What the channel keeps, and what the runtime takes until it collects as much as there comes, is not theirs.
    const before = await publish(Math.ceil(1.5 * events));
    await rig.stall(STALLED);
    while ((await rig.connections()) < READING + STALLED) await sleep(50);
    const growth = (await publish(events)) - before;
    const left = READING + STALLED - (await rig.connections());
    if (left > 0) throw new Error(`${platform} has closed ${left} connections that were stalled`);
    return growth;
  } finally {
    await rig.close();
  }
}

function cellOf(results: Results<Name, number>, most: number, digits: number): string {
  const [raw, ours] = (["raw", "ours"] as const).map((name) => median(results.get(name) ?? []).toFixed(digits));
  const ratio = compare(results, "raw", (mine, theirs) => mine / theirs);
  return `${isMet(ratio <= most)}, ${raw}, ${ours}: ${ratio.toFixed(2)}`;
}

function isMet(met: boolean): string {
  return met ? "yes" : "**no**";
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}
