import { adapterSuite } from "@sluice/testkit";
import { describe } from "vitest";
import { binary, canRun, startProcess, startWorkerd } from "./start.ts";
import { workerdExceptions } from "./workerd-exceptions.ts";

describe.runIf(canRun("bun"))("core's eventStream in Bun", () => {
  adapterSuite(() => startProcess(binary("bun"), ["bun-server.ts"]));
});

describe.runIf(canRun("deno"))("core's eventStream in Deno", () => {
  adapterSuite(() => startProcess(binary("deno"), ["run", "-A", "--no-check", "deno-server.ts"]));
});

describe.runIf(canRun("workerd"))("core's eventStream in workerd", () => {
  adapterSuite(() => startWorkerd(["enable_request_signal"]), workerdExceptions);
});
