import { memoryStore } from "@sluice/core";
import { describe, expect, test } from "vitest";
import {
  exploreInterleavings,
  laws,
  loopMutants,
  oneStorePerWorld,
  runLaw,
  storeMutants,
  withBellFault,
} from "../src/index.ts";
import type { BenchOptions } from "../src/index.ts";

/** Law 16 tries others over again, and takes its time. */
const names = Object.keys(laws).filter((name) => !name.startsWith("law 16"));

/** The first law that is broken, and how. */
async function firstBroken(options: BenchOptions): Promise<string | undefined> {
  for (const name of names) {
    try {
      await runLaw(laws[name]!, { patience: 1000, ...options });
    } catch (error) {
      return `${name}: ${String(error).split("\n", 1)[0]}`;
    }
  }
  return undefined;
}

describe("a store with a fault breaks a law", () => {
  test.each(Object.entries(storeMutants()))("%s", { timeout: 60_000 }, async (_, make) => {
    expect(await firstBroken({ make })).toMatch(/^(law \d+|the doorbell)/);
  });
});

describe("a read loop with a fault goes wrong in some interleaving", () => {
  test.each(Object.entries(loopMutants))("%s", { timeout: 60_000 }, async (_, follow) => {
    await expect(exploreInterleavings({ make: memoryStore, count: 30_000, follow })).rejects.toThrow(
      /^Interleaving \d+ goes wrong/,
    );
  });
});

test("a read loop that believes every hint breaks a law, too", async () => {
  const make = oneStorePerWorld(memoryStore);
  for (const name of ["reads, then subscribes", "believes every hint"]) {
    expect(await firstBroken({ make, follow: loopMutants[name] })).toMatch(/^law 2: /);
  }
});

test("a store whose doorbell never rings breaks none", { timeout: 60_000 }, async () => {
  const shared = oneStorePerWorld(memoryStore);
  const make: typeof shared = async (options) => withBellFault(await shared(options), "silent");
  expect(await firstBroken({ make, doorbell: false })).toBeUndefined();
});
