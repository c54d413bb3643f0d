import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("ten thousand channels, used once and expired, leave memory where it was", { timeout: 60_000 }, async () => {
  const script = fileURLToPath(new URL("channel-names.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", script]);
  expect(Number(stdout)).toBeLessThan(500_000); // 50 bytes a name; one that was kept would cost over 500
});
