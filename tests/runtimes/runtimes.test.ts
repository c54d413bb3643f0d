import { adapterSuite } from "@sluice/testkit";
import { describe } from "vitest";
import { binary, canRun, startProcess } from "./start.ts";

describe.runIf(canRun("bun"))("core's eventStream in Bun", () => {
  adapterSuite(() => startProcess(binary("bun"), ["bun-server.ts"]));
});

describe.runIf(canRun("deno"))("core's eventStream in Deno", () => {
  adapterSuite(() => startProcess(binary("deno"), ["run", "-A", "--no-check", "deno-server.ts"]));
});
