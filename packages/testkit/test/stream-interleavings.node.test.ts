import { memoryStore } from "@sluice/core";
import { expect, test } from "vitest";
import { exploreStreams } from "../src/index.ts";

const interleavings = Number(process.env["SLUICE_INTERLEAVINGS"] ?? 20_000);

test(
  `every filter, map, policy and limit is exact in ${interleavings} interleavings`,
  { timeout: 900_000 },
  async () => {
    const seed = Number(process.env["SLUICE_SEED"] ?? 1);
    const { runs, distinct } = await exploreStreams({ make: memoryStore, count: interleavings, seed });
    console.info(`${runs} interleavings of streams, ${distinct} of them different`);
    expect(distinct).toBeGreaterThanOrEqual(interleavings);
  },
);
