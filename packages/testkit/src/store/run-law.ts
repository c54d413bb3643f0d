import { Bench, SkippedLaw } from "./bench.ts";
import type { BenchOptions } from "./bench.ts";
import type { Law } from "./laws/law.ts";

/**
 * Tries one law on a store, without a test framework.
 *
 * @returns why the law was skipped; undefined where it was shown
 * @throws {Error} what the store did against the law
 *
 * @example
 * ```ts
 * import { memoryStore } from "@sluice/core";
 * import { laws, oneStorePerWorld, runLaw } from "@sluice/testkit";
 *
 * const make = oneStorePerWorld(memoryStore);
 * for (const law of Object.values(laws).slice(0, 3)) await runLaw(law, { make });
 * ```
 */
export async function runLaw(law: Law, options: BenchOptions): Promise<string | undefined> {
  const bench = new Bench(options);
  try {
    await law(bench);
    return undefined;
  } catch (error) {
    if (error instanceof SkippedLaw) return error.message;
    throw error;
  } finally {
    await bench.close();
  }
}
