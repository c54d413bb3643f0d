// `npm test`: everything that has to hold, in order. With `--all`, `npm run test:all`: what takes longer besides.
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checks } from "./check.ts";
import { type CommandResult, pnpm, root, run } from "./command.ts";
import { compareNodes, comparePlatforms, nodePath, otherNodes, suiteFiles } from "./compatibility.ts";
import { withPacked } from "./pack.ts";
import { countsOf, missing, one, type Outcome, runSteps, type Step } from "./steps.ts";
import { docExamples } from "./test-docs.ts";

const vitest = "node_modules/vitest/vitest.mjs";

/** Where the suites of one run write what they have shown, by the name of the run. */
const shown = mkdtempSync(join(tmpdir(), "sluice-compatibility-"));
process.on("exit", () => rmSync(shown, { recursive: true }));

/** What has a runtime of its own, or only starts others': a version of Node is nothing to it. */
const elsewhere = [
  "packages/adapter-bun",
  "packages/adapter-deno",
  "packages/adapter-edge",
  "packages/store-durable-object",
  "tests/browser",
  "tests/edge-runtime",
  "tests/soak",
  "tests/workerd",
];

const steps: readonly Step[] = [
  ...checks,
  {
    name: "tests on Node 24",
    run: () => runVitest("node", [vitest], ["--project", "neutral", "--project", "node"], reportsTo("node24")),
  },
  { name: "page of compatibility", run: () => comparePlatforms(join(shown, "node24")) },
  engine("deno", "neutral tests in Deno", () => runVitest("deno", ["run", "-A", vitest], ["--project", "neutral"])),
  engine("bun", "neutral tests in Bun", testInBun),
  engine("deno", "examples in the documentation", docExamples),
  { name: "documentation site", run: async () => one(await pnpm("--filter", "./docs", "build")) },
];

const moreSteps: readonly Step[] = [
  checks[0]!,
  engine(nodePath(20), "packages as published, on Node 20", smokeOnNode20),
  ...otherNodes.map((version) =>
    engine(nodePath(version), `tests against the build on Node ${version}`, () =>
      runVitest(nodePath(version), [vitest], testsOn(version), { SLUICE_BUILT: "1", ...reportsTo(`node${version}`) }),
    ),
  ),
  {
    name: "page of compatibility, other versions of Node",
    run: () => compareNodes(otherNodes.map((version) => join(shown, `node${version}`))),
  },
  {
    name: "laws of the wire, a million events",
    run: () =>
      runVitest("node", [vitest], ["--project", "neutral", "--testTimeout", "1800000", "packages/core/test"], {
        SLUICE_LAW_EVENTS: "1000000",
      }),
  },
  {
    name: "hand-over, a hundred thousand interleavings",
    run: () =>
      runVitest("node", [vitest], ["--project", "node", "packages/testkit/test/memory-store"], {
        SLUICE_INTERLEAVINGS: "100000",
        SLUICE_MODEL_RUNS: "20000",
      }),
  },
  { name: "examples that have to be built", run: () => runVitest("node", [vitest], ["--project", "heavy"]) },
  ...(globSync("tests/soak/**/*.test.ts", { cwd: root }).length === 0
    ? []
    : [{ name: "soaks", run: () => runVitest("node", [vitest], ["--project", "soak"]) }]),
];

process.exitCode = (await runSteps(process.argv.includes("--all") ? moreSteps : steps)) ? 0 : 1;

/** A step on an engine that npm brings. Its install script may have been refused, or know no binary for this machine. */
function engine(command: string, name: string, use: Step["run"]): Step {
  const step = async (): Promise<Outcome> => {
    const { ok } = await run(command, ["--version"]);
    return ok ? use() : missing(command, "npx --yes pnpm@12 rebuild -r");
  };
  return { name, run: step };
}

function reportsTo(name: string): Record<string, string> {
  return { SLUICE_COMPATIBILITY: join(shown, name) };
}

/** All tests of what runs in Node; where it cannot run the servers in TypeScript that some of them start, the adapters' suites. */
function testsOn(version: number): readonly string[] {
  const folders = globSync(["packages/*", "tests/*"], { cwd: root }).filter((folder) => !elsewhere.includes(folder));
  if (version >= 22) return ["--project", "neutral", "--project", "node", ...folders.map((folder) => `${folder}/`)];
  const suites = suiteFiles().filter((file) => folders.some((folder) => file.startsWith(`${folder}/`)));
  return ["--project", "node", ...suites];
}

/** Runs vitest on an engine, and counts what its JSON reporter reports. */
async function runVitest(
  command: string,
  start: readonly string[],
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-vitest-"));
  try {
    const file = join(folder, "report.json");
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
    const result = await run(command, [...start, "run", ...reporters, ...args], { env });
    return existsSync(file) ? outcomeOf(result, JSON.parse(readFileSync(file, "utf8")) as Report) : one(result);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

/** A file that does not load, and an error that no test caught, fail the run without a failed test. */
function outcomeOf({ ok, output }: CommandResult, report: Report): Outcome {
  const tests = report.testResults.flatMap(({ assertionResults }) => assertionResults);
  const left = tests.filter(({ status }) => status !== "passed" && status !== "failed");
  return {
    passed: report.numPassedTests,
    failed: Math.max(report.numFailedTests, ok ? 0 : 1),
    skipped: report.numPendingTests + report.numTodoTests,
    output: [output, ...left.map(({ status, fullName }) => `${status}: ${fullName}`), ""].join("\n"),
  };
}

async function testInBun(): Promise<Outcome> {
  const files = globSync("packages/*/test/**/*.neutral.test.ts", { cwd: root }).map((file) => `./${file}`);
  const result = await run("bun", ["test", "--timeout", "30000", ...files]);
  return countsOf(result, {
    passed: /^ *(\d+) pass$/m,
    failed: /^ *(\d+) fail$/m,
    skipped: /^ *(\d+) (?:skip|todo)$/m,
  });
}

function smokeOnNode20(): Promise<Outcome> {
  return withPacked(async (folder) => {
    for (const framework of ["express", "fastify", "koa"]) {
      symlinkSync(join(root, "node_modules", framework), join(folder, "node_modules", framework));
    }
    return one(await run(nodePath(20), ["scripts/smoke-built.mjs", folder]));
  });
}
