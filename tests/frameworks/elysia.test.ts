import { describe } from "vitest";
import { canRun } from "../runtimes/start.ts";
import { driveExample } from "./drive.ts";

describe.runIf(canRun("bun"))("the example for Elysia", () => {
  driveExample("elysia");
});
