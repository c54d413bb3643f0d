import { describe } from "vitest";
import { driveExample } from "./drive.ts";

describe("the example for NestJS", () => {
  driveExample("nestjs", { compression: true });
});
