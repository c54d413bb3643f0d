import { expect, test } from "vitest";
import { heapsAfterWaves } from "./leaks.ts";

test("nothing is left of three thousand clients that vanish, half without a word", { timeout: 120_000 }, async () => {
  const heaps = await heapsAfterWaves(3, 1000);
  const [first = 0, , third = Infinity] = heaps;
  expect((third - first) / 2 ** 20, `MiB more; heaps: ${heaps.join(", ")}`).toBeLessThan(2);
});
