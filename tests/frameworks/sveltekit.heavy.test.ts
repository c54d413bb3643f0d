import { describe } from "vitest";
import { driveExample } from "./drive.ts";

describe("the example for SvelteKit", () => {
  driveExample("sveltekit", { page: true });
});
