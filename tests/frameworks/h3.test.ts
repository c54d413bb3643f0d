import { describe } from "vitest";
import { driveExample } from "./drive.ts";

describe("the example for h3", () => {
  driveExample("h3");
});
