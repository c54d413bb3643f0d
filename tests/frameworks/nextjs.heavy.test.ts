import { describe } from "vitest";
import { driveExample } from "./drive.ts";

describe("the example for Next.js", () => {
  driveExample("nextjs", { compression: true, page: true });
});
