import { describe } from "vitest";
import { driveExample } from "./drive.ts";

describe("the example for Hono", () => {
  driveExample("hono", { compression: true });
});
