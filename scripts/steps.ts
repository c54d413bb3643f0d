/** What a step of `npm test` or `pnpm check` counted. */
export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Printed where something failed or was skipped. */
  readonly output: string;
}

export interface Step {
  readonly name: string;
  readonly run: () => Promise<Outcome>;
}

/** The outcome of a step that is one test. */
export function one({ ok, output }: { ok: boolean; output: string }): Outcome {
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0, output };
}

/** The outcome of a step that printed its counts. One that ended badly without a failed test failed as a whole. */
export function countsOf(
  { ok, output }: { ok: boolean; output: string },
  patterns: { passed: RegExp; failed: RegExp; skipped: RegExp },
): Outcome {
  const count = (pattern: RegExp): number => Number(output.match(pattern)?.[1] ?? 0);
  const failed = Math.max(count(patterns.failed), ok ? 0 : 1);
  return { passed: count(patterns.passed), failed, skipped: count(patterns.skipped), output };
}

/** A step that cannot run here: skipped where a person runs it, failed where REQUIRE_ENGINES=1 says that it must run. */
export function missing(what: string, get: string): Outcome {
  const required = process.env["REQUIRE_ENGINES"] === "1";
  const output = `${what} is missing. To get it: ${get}\n`;
  return { passed: 0, failed: required ? 1 : 0, skipped: required ? 0 : 1, output };
}

/**
 * Runs steps one after another, prints each as it ends, and a table and the counts of all at the end.
 *
 * @returns whether none failed
 */
export async function runSteps(steps: readonly Step[]): Promise<boolean> {
  const rows: (Outcome & { name: string; seconds: number })[] = [];
  for (const { name, run } of steps) {
    const start = performance.now();
    const outcome = await run().catch((error: unknown) => one({ ok: false, output: `${(error as Error).stack}\n` }));
    const row = { name, seconds: (performance.now() - start) / 1000, ...outcome };
    rows.push(row);
    console.log(line(row));
    if (outcome.failed + outcome.skipped > 0) console.log(outcome.output);
  }
  const total = { passed: sum(rows, "passed"), failed: sum(rows, "failed"), skipped: sum(rows, "skipped") };
  console.log(["", ...rows.map(line), "", counts(total)].join("\n"));
  return total.failed === 0;
}

function line(row: Outcome & { name: string; seconds: number }): string {
  const word = row.failed > 0 ? "FAILED" : row.skipped > 0 ? "skipped" : "ok";
  return `${word.padEnd(8)}${row.name.padEnd(44)}${row.seconds.toFixed(1).padStart(7)} s   ${counts(row)}`;
}

function counts({ passed, failed, skipped }: Omit<Outcome, "output">): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

function sum(rows: readonly Outcome[], of: "passed" | "failed" | "skipped"): number {
  return rows.reduce((total, row) => total + row[of], 0);
}
