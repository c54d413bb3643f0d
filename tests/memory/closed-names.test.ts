import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("thirty thousand closed channels that have expired cost a few MB", { timeout: 60_000 }, async () => {
  const script = fileURLToPath(new URL("closed-names.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", script]);
  // Some 150 bytes each; with the request that a name is a part of it would be 60 MB.
  expect(Number(stdout)).toBeLessThan(8_000_000);
});
