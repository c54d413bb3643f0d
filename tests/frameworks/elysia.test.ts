import { describe } from "vitest";
import { driveExample } from "./drive.ts";
import { canRunBun } from "./engines.ts";

describe.runIf(canRunBun())("the example for Elysia", () => {
  driveExample("elysia");
});
