import { adapterSuite } from "@sluice/testkit";
import { describe } from "vitest";
import { canRunBun, startInBun } from "./start.ts";

describe.runIf(canRunBun())("Bun", () => {
  adapterSuite(startInBun);
});
