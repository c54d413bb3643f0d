import { describe, expect, test } from "vitest";
import type { BenchOptions } from "./bench.ts";
import { laws } from "./laws/index.ts";
import { checkModel } from "./model.ts";
import { runLaw } from "./run-law.ts";

/** Options of {@link storeSuite}. */
export interface StoreSuiteOptions extends BenchOptions {
  /** The laws that this store cannot keep, by their names, each with the reason. They are tested too: they must fail. */
  readonly exceptions?: Readonly<Record<string, string>> | undefined;
  /** How many random lists of commands the model test tries. Default 100, or the environment's SLUICE_MODEL_RUNS. */
  readonly modelRuns?: number | undefined;
}

/**
 * Defines the tests that every store passes, with vitest: the laws of the event store over two nodes, and random commands
 * against a model. A law that needs a fault which is not given is skipped, and says so.
 *
 * @example
 * ```ts ignore
 * import { oneStorePerWorld, storeSuite } from "@sluice/testkit";
 * import { arrayStore } from "../src/index.ts";
 *
 * storeSuite({ make: oneStorePerWorld(arrayStore) });
 * ```
 */
export function storeSuite({ exceptions = {}, modelRuns, ...options }: StoreSuiteOptions): void {
  const unknown = Object.keys(exceptions).filter((name) => laws[name] === undefined);
  if (unknown.length > 0) throw new Error(`Cannot make exceptions: there is no law "${unknown.join('", "')}"`);
  // Kills take their time, and law 16 tries several laws over again.
  const timeout = 12 * (options.patience ?? 10_000);
  const runs = modelRuns ?? Number(process.env["SLUICE_MODEL_RUNS"] ?? 100);

  describe("an event store", () => {
    for (const [name, law] of Object.entries(laws)) {
      const exception = exceptions[name];
      if (exception === undefined) {
        test(name, { timeout }, async ({ skip }) => {
          const reason = await runLaw(law, options);
          if (reason === undefined) return;
          console.info(`Skipped: ${name}. ${reason}`);
          skip(reason);
        });
      } else {
        console.info(`Exception: does not keep ${name}. ${exception}`);
        test(`does not keep ${name} (${exception})`, { timeout }, async () => {
          await expect(runLaw(law, options), "The exception is no longer needed").rejects.toThrow();
        });
      }
    }

    test(`answers as a model does, to ${runs} random lists of commands`, { timeout: 10 * timeout }, () =>
      checkModel({ make: options.make, runs }),
    );
  });
}
