import { describe, expect, test } from "vitest";
import { canRunDeno, runInDeno } from "./start.ts";

describe.runIf(canRunDeno())("shutting down in Deno", () => {
  test("ends every stream cleanly, then the server, and lets the process end without a warning", async () => {
    const { stdout, stderr } = await runInDeno("shutdown.ts");
    expect(JSON.parse(stdout)).toEqual([true, true, true]);
    expect(stderr).toBe("");
  });
});
