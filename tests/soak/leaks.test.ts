import { expect, test } from "vitest";
import { heapsAfterWaves } from "../../packages/adapter-express/test/leaks.ts";

test("nothing is left of sixty thousand clients that vanish", async () => {
  const heaps = await heapsAfterWaves(20, 3000);
  const early = Math.max(...heaps.slice(2, 6));
  const late = Math.min(...heaps.slice(-4));
  expect((late - early) / 2 ** 20, `MiB more; heaps: ${heaps.join(", ")}`).toBeLessThan(2);
});
