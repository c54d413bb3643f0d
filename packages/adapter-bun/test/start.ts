import { execFile, execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { serveProcess } from "@sluice/testkit";
import type { StartedServer } from "@sluice/testkit";

/** Bun itself, and not the script in `node_modules/.bin`, which would be killed in its place. */
const bun = join(dirname(createRequire(import.meta.url).resolve("bun/package.json")), "bin/bun.exe");

/** Starts `bun/server.ts` in Bun. */
export async function startInBun(): Promise<StartedServer> {
  const server = await serveProcess(bun, [pathOf("server.ts")]);
  return { ...server, idleLimit: 5000 };
}

/** Runs a module of `bun/` in Bun, to its end, in ten seconds at most. */
export function runInBun(module: string): Promise<{ readonly stdout: string; readonly stderr: string }> {
  return promisify(execFile)(bun, [pathOf(module)], { timeout: 10_000 });
}

function pathOf(module: string): string {
  return fileURLToPath(new URL(`bun/${module}`, import.meta.url));
}

/** Whether Bun runs here; where all engines are required, its tests run in any case, and fail. */
export function canRunBun(): boolean {
  if (process.env["REQUIRE_ENGINES"] === "1") return true;
  try {
    execFileSync(bun, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    console.warn("Skipped: bun does not run here; `pnpm install` gets it for the common platforms");
    return false;
  }
}
