import { expect, test } from "vitest";
import { dropAtRandom, flaw } from "../resume/drops.ts";

test("a minute of cut connections leaves every history exact", async () => {
  const { log, histories } = await dropAtRandom(60, 1_000_000);
  for (const [client, history] of Object.entries(histories)) expect(flaw(history, log), client).toBe(undefined);
});

test("a minute of cut connections, with a retention that they outrun, leaves no hole unsaid", async () => {
  const { log, histories } = await dropAtRandom(60, 8);
  for (const [client, history] of Object.entries(histories)) expect(flaw(history, log), client).toBe(undefined);
});
