import { adapterSuite } from "@sluice/testkit";
import { describe } from "vitest";
import { canRunDeno, startInDeno } from "./start.ts";

describe.runIf(canRunDeno())("Deno", () => {
  adapterSuite(startInDeno);
});
