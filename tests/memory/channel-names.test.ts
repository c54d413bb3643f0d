import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("ten thousand channels, used once and expired, leave memory where it was", { timeout: 60_000 }, async () => {
  const script = fileURLToPath(new URL("channel-names.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", script]);
  // Five times: a name that was kept would cost over 500 bytes, all of them 25 MB. The heap itself moves by 2 MB.
  expect(Number(stdout)).toBeLessThan(5_000_000);
});
