import { execFile, execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { serveProcess } from "@sluice/testkit";
import type { StartedServer } from "@sluice/testkit";

/** Deno itself, and not the script in `node_modules/.bin`, which would be killed in its place. */
const deno = join(dirname(createRequire(import.meta.url).resolve("deno/package.json")), "deno");

/** Starts `deno/server.ts` in Deno. */
export function startInDeno(): Promise<StartedServer> {
  return serveProcess(deno, argsFor("server.ts"));
}

/** Runs a module of `deno/` in Deno, to its end, in ten seconds at most. */
export function runInDeno(module: string): Promise<{ readonly stdout: string; readonly stderr: string }> {
  return promisify(execFile)(deno, argsFor(module), { timeout: 10_000 });
}

function argsFor(module: string): string[] {
  const permissions = ["--allow-net", "--allow-env", "--allow-sys"];
  return ["run", ...permissions, "--no-check", fileURLToPath(new URL(`deno/${module}`, import.meta.url))];
}

/** Whether Deno runs here; where all engines are required, its tests run in any case, and fail. */
export function canRunDeno(): boolean {
  if (process.env["REQUIRE_ENGINES"] === "1") return true;
  try {
    execFileSync(deno, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    console.warn("Skipped: deno does not run here; `pnpm install` gets it for the common platforms");
    return false;
  }
}
