// One channel to many connections, against better-sse and against the least that a server on node:http can do:
// `pnpm --filter ./bench fanout`. The table goes to stdout, what comes in on the way to stderr.
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import * as measures from "./measures.ts";
import type { Results } from "./measures.ts";
import { compare, median } from "./rounds.ts";
import type { Scale } from "./rounds.ts";
import { dialects } from "./wire.ts";
import type { Name, Protocol } from "./wire.ts";

const { values: options } = parseArgs({
  options: {
    connections: { type: "string", default: "2000" },
    rounds: { type: "string" },
    only: { type: "string" },
    quick: { type: "boolean", default: false },
    profile: { type: "string" },
  },
});

const scale: Scale = {
  connections: Number(options.connections),
  rounds: Number(options.rounds ?? (options.quick ? 3 : 11)),
  length: options.quick ? 0.25 : 1,
};

/** A line of the table: what each contender did, and what of it was asked of ours. */
interface Row {
  readonly title: string;
  readonly cells: Partial<Record<Name, string>>;
  readonly targets: readonly Target[];
}

interface Target {
  readonly text: string;
  readonly value: number;
  readonly most: number;
  readonly unit: string;
}

const windowed = {
  single: measures.single,
  ten: measures.ten,
  latency: measures.latency,
  speed: measures.speed,
};
const rivals = ["raw", "better-sse", "ours"] as const;
const withJoined = ["raw", "joined", "better-sse", "ours"] as const;

const rows: Readonly<Record<string, () => Promise<Row>>> = {
  async single() {
    const results = await measures.inWindows(rivals, scale, measures.single);
    return {
      title: "CPU of one delivery, one event at a time, µs",
      cells: cellsOf(results, (cpu) => cpu, 1),
      targets: [ratio(results, "raw", 1.1), ratio(results, "better-sse", 0.85)],
    };
  },
  async ten() {
    const results = await measures.inWindows(withJoined, scale, measures.ten);
    return {
      title: `CPU of one delivery, ${measures.TOGETHER} events published together, µs`,
      cells: cellsOf(results, (cpu) => cpu, 2),
      targets: [ratio(results, "raw", 0.65), ratio(results, "better-sse", 0.3)],
    };
  },
  async latency() {
    const results = await measures.inWindows(rivals, scale, measures.latency);
    const later = compare(results, "raw", (ours, raw) => ours.p99 - raw.p99);
    return {
      title: `Latency at ${measures.RATE} events a second, p50 / p99, ms`,
      cells: join(
        cellsOf(results, ({ p50 }) => p50, 1),
        cellsOf(results, ({ p99 }) => p99, 1),
      ),
      targets: [{ text: "p99 at most raw + 2 ms", value: later, most: 2, unit: " ms more" }],
    };
  },
  async speed() {
    const results = await measures.inWindows(rivals, scale, measures.speed);
    return {
      title: "Deliveries a second at full speed, thousands",
      cells: cellsOf(results, (perSecond) => perSecond / 1000, 0),
      targets: [],
    };
  },
  async memory() {
    const results = await measures.memory(rivals, scale);
    const more = compare(results, "raw", (ours, raw) => (ours.rss - raw.rss) / 1024);
    return {
      title: "Memory of an idle connection, resident / heap / external, KB",
      cells: join(
        cellsOf(results, ({ rss }) => rss / 1024, 1),
        cellsOf(results, ({ heap }) => heap / 1024, 1),
        cellsOf(results, ({ external }) => external / 1024, 1),
      ),
      targets: [{ text: "resident at most raw + 4 KB", value: more, most: 4, unit: " KB more" }],
    };
  },
  stalled: () => stalled("http1"),
  stalled2: () => stalled("http2"),
  async storm() {
    const results = await measures.storm(["ours"], scale);
    const title =
      `${measures.stormConnections(scale)} connections dropped at once come back for ${measures.MISSED} events each: ` +
      "seconds until all have them / CPU of each, µs";
    return {
      title,
      cells: join(
        cellsOf(results, ({ time }) => time / 1000, 1),
        cellsOf(results, ({ cpu }) => cpu, 0),
      ),
      targets: [],
    };
  },
};

await main();

async function stalled(protocol: Protocol): Promise<Row> {
  const results = await measures.stalled(["raw", "ours"], scale, protocol);
  const megabytes = (bytes: number): number => bytes / 1_000_000;
  const published = cellsOf(results, (result) => megabytes(result.published), 0);
  return {
    title:
      `${measures.STALLED} clients that read nothing, on ${protocol === "http1" ? "HTTP/1.1" : "HTTP/2"}: MB published / ` +
      `MB that the server grows by (ended at ${megabytes(measures.MAX_GROWTH).toFixed(0)}) / ` +
      `p99 of ${measures.HEALTHY} others without them / with them, ms`,
    cells: join(
      published,
      cellsOf(results, ({ growth }) => megabytes(growth), 0),
      cellsOf(results, ({ p99Without }) => p99Without, 1),
      cellsOf(results, ({ p99 }) => p99, 1),
    ),
    targets: [
      {
        text: "grows by less than 50 MB",
        value: median((results.get("ours") ?? []).map(({ growth }) => megabytes(growth))),
        most: 50,
        unit: " MB",
      },
      {
        text: "p99 at most twice that without",
        value: median((results.get("ours") ?? []).map(({ p99, p99Without }) => p99 / p99Without)),
        most: 2,
        unit: " times",
      },
    ],
  };
}

async function main(): Promise<void> {
  checkOpenFiles();
  const chosen = options.only?.split(",") ?? (options.profile === undefined ? Object.keys(rows) : ["single"]);
  const unknown = chosen.find((name) => !(name in rows));
  if (unknown !== undefined) throw new Error(`No measure ${unknown}; there are ${Object.keys(rows).join(", ")}`);
  if (options.profile !== undefined) return profile(options.profile, chosen[0] as string);
  const measured: Row[] = [];
  for (const name of chosen) {
    console.error(name);
    measured.push(await (rows[name] as () => Promise<Row>)());
  }
  console.log(
    `Node ${process.versions.node}, ${cpus().length} × ${cpus()[0]?.model.trim()}, ${scale.connections} connections, ` +
      `events of ${measures.EVENT_BYTES} bytes, medians of up to ${scale.rounds} rounds.\n`,
  );
  printTable(measured);
}

async function profile(contender: string, name: string): Promise<void> {
  if (!(contender in dialects) || !(name in windowed)) {
    throw new Error(
      `Profiles one of ${Object.keys(dialects).join(", ")} with --only ${Object.keys(windowed).join(" or ")}`,
    );
  }
  const measure: measures.Windowed<unknown> = windowed[name as keyof typeof windowed];
  console.log(await measures.profile(contender as Name, scale, measure));
}

/** A process that may not open enough connections fails in odd ways. */
function checkOpenFiles(): void {
  const wanted = Math.max(scale.connections, measures.stormConnections(scale)) + 200;
  const report = process.report.getReport() as unknown as {
    readonly userLimits?: { readonly open_files?: { readonly soft: number | string } };
  };
  const limit = Number(report.userLimits?.open_files?.soft ?? Infinity);
  if (limit < wanted) {
    throw new Error(`A process may open ${limit} files, and ${wanted} are needed: run \`ulimit -n ${wanted}\` before`);
  }
}

function printTable(measured: readonly Row[]): void {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  console.log(line(["", "raw `node:http`", "better-sse", "Sluice", "Sluice should", "and does"]));
  console.log(line(["---", "---:", "---:", "---:", "---", "---"]));
  for (const { title, cells, targets } of measured) {
    const { raw = "", joined } = cells;
    console.log(
      line([
        title,
        joined === undefined ? raw : `${raw}; ${joined} in one write`,
        cells["better-sse"] ?? "",
        cells.ours ?? "",
        targets.map(({ text }) => text).join("; "),
        targets
          .map(({ value, most, unit }) => `${value <= most ? "yes" : "**no**"}, ${value.toFixed(2)}${unit}`)
          .join("; "),
      ]),
    );
  }
}

function cellsOf<Figures>(results: Results<Figures>, figure: (of: Figures) => number, digits: number): Row["cells"] {
  return Object.fromEntries([...results].map(([name, all]) => [name, median(all.map(figure)).toFixed(digits)]));
}

function join(...parts: readonly Row["cells"][]): Row["cells"] {
  const names = Object.keys(parts[0] ?? {}) as Name[];
  return Object.fromEntries(names.map((name) => [name, parts.map((cells) => cells[name]).join(" / ")]));
}

function ratio(results: Results<number>, rival: Name, most: number): Target {
  return {
    text: `at most ${most} × ${rival}`,
    value: compare(results, rival, (ours, theirs) => ours / theirs),
    most,
    unit: "",
  };
}
