import { memoryStore } from "@sluice/core";
import { expect, test } from "vitest";
import { exploreInterleavings, oneStorePerWorld, storeSuite } from "../src/index.ts";

storeSuite({ make: oneStorePerWorld(memoryStore), modelRuns: Number(process.env["SLUICE_MODEL_RUNS"] ?? 500) });

const interleavings = Number(process.env["SLUICE_INTERLEAVINGS"] ?? 10_000);

test(`hands over exactly in ${interleavings} different interleavings`, { timeout: 900_000 }, async () => {
  const { runs, distinct } = await exploreInterleavings({ make: memoryStore, count: interleavings });
  console.info(`${runs} interleavings, ${distinct} of them different`);
  expect(distinct).toBeGreaterThanOrEqual(interleavings);
});
