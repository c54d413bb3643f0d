import { describe, expect, test } from "vitest";
import { canRunBun, runInBun } from "./start.ts";

describe.runIf(canRunBun())("shutting down in Bun", () => {
  test("ends every stream cleanly, then the server, and lets the process end without a warning", async () => {
    const { stdout, stderr } = await runInBun("shutdown.ts");
    expect(JSON.parse(stdout)).toEqual([true, true, true]);
    expect(stderr).toBe("");
  });
});
