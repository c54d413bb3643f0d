import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** Whether Bun runs here; where all engines are required, its tests run in any case, and fail. */
export function canRunBun(): boolean {
  if (process.env["REQUIRE_ENGINES"] === "1") return true;
  try {
    const bun = join(dirname(createRequire(import.meta.url).resolve("bun/package.json")), "bin/bun.exe");
    execFileSync(bun, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    console.warn("Skipped: bun does not run here; `pnpm install` gets it for the common platforms");
    return false;
  }
}
