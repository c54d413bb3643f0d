// `pnpm compatibility`: runs the suites of all adapters, on every Node there is, and writes docs/guide/compatibility.md
// from what they have shown. `npm test` and `npm run test:all` compare the page with their own runs.
import { existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CompatibilityReport } from "@sluice/testkit";
import { root, run } from "./command.ts";
import { nodesPart, partsOf, platformsIn, platformsPart } from "./compatibility-page.ts";
import { missing, one, type Outcome } from "./steps.ts";

const PAGE = "docs/guide/compatibility.md";

/** The versions of Node on which the adapters of its family are shown, besides the one that the tools run on. */
export const otherNodes: readonly number[] = [20, 22, 26];

/** Where npm has put a version of Node. */
export function nodePath(version: number): string {
  return join(root, `tests/node_modules/node${version}/bin/node`);
}

/** The test files that run `adapterSuite`, of all adapters there are and wherever else is named. */
export function suiteFiles(...more: readonly string[]): readonly string[] {
  return globSync(["packages/adapter-*/test/**/*.node.test.ts", ...more], { cwd: root })
    .filter((file) => readFileSync(join(root, file), "utf8").includes("adapterSuite("))
    .toSorted();
}

if (import.meta.main) await writePage();

/**
 * Compares a run on the Node of the tools with the page.
 *
 * @param folder what `SLUICE_COMPATIBILITY` was in that run
 */
export async function comparePlatforms(folder: string): Promise<Outcome> {
  const reports = reportsIn(folder);
  const { platforms } = partsOf(page());
  const absent = platformsIn(platforms).filter((name) => !reports.some(({ platform }) => platform === name));
  if (absent.length > 0) return missing(`The run of ${absent.join(", ")}`, "see above what was skipped");
  return compare(platforms, platformsPart(reports));
}

/** Compares the runs on the other versions of Node with the page. */
export async function compareNodes(folders: readonly string[]): Promise<Outcome> {
  const runs = folders.map(reportsIn);
  if (runs.some(({ length }) => length === 0))
    return missing("The run on a version of Node", "see above what was skipped");
  return compare(partsOf(page()).nodes, nodesPart(runs));
}

function compare(committed: string, shown: string): Outcome {
  if (committed.trim() === shown.trim()) return one({ ok: true, output: "" });
  const lines = new Set(committed.split("\n"));
  const news = shown.split("\n").filter((line) => !lines.has(line));
  return one({
    ok: false,
    output: `${PAGE} is not what the run has shown; run pnpm compatibility. New:\n${news.join("\n")}\n`,
  });
}

function page(): string {
  return existsSync(join(root, PAGE)) ? readFileSync(join(root, PAGE), "utf8") : "";
}

function reportsIn(folder: string): readonly CompatibilityReport[] {
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).toSorted();
  return files.map((file) => JSON.parse(readFileSync(join(folder, file), "utf8")) as CompatibilityReport);
}

async function writePage(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-compatibility-"));
  const reportsOf = async (
    node: string,
    files: readonly string[],
    env = {},
  ): Promise<readonly CompatibilityReport[]> => {
    console.log(`${files.length} files on ${node}`);
    const into = mkdtempSync(join(folder, "run-"));
    const { ok, output } = await run(node, ["node_modules/vitest/vitest.mjs", "run", "--project", "node", ...files], {
      env: { SLUICE_COMPATIBILITY: into, ...env },
    });
    if (!ok) throw new Error(`${output}\nCannot write ${PAGE}: not everything has passed on ${node}`);
    return reportsIn(into);
  };
  try {
    const platforms = await reportsOf("node", suiteFiles("tests/*/*.test.ts"));
    const { ok, output } = await run("tsc", ["-b", "tsconfig.build.json"]);
    if (!ok) throw new Error(output);
    const runs = [];
    for (const version of otherNodes)
      runs.push(await reportsOf(nodePath(version), suiteFiles(), { SLUICE_BUILT: "1" }));
    writeFileSync(join(root, PAGE), `${platformsPart(platforms)}\n${nodesPart(runs)}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
