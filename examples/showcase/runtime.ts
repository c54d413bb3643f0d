import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";

/** What runs the showcase's own sources. */
export type Runtime = "node" | "bun" | "deno";

/** What runs this. */
export function runtimeHere(): Runtime {
  const { bun, deno } = process.versions;
  if (bun !== undefined) return "bun";
  return deno === undefined ? "node" : "deno";
}

/** Runs a module in another runtime, the one that npm has installed, and ends as it ends. */
export function runIn(runtime: Exclude<Runtime, "node">, module: string, args: readonly string[]): void {
  const { command, before } = binaryOf(runtime);
  const child = spawn(command, [...before, module, ...args], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(`\n  Cannot start ${runtime}: ${error.message}. \`npx --yes pnpm@12 rebuild -r\` gets it.\n`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => process.exit(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
}

/** Itself, and not the script in `node_modules/.bin`, which would be told to stop in its place. */
function binaryOf(runtime: "bun" | "deno"): { readonly command: string; readonly before: readonly string[] } {
  const folder = dirname(createRequire(import.meta.url).resolve(`${runtime}/package.json`));
  if (runtime === "bun") return { command: join(folder, "bin/bun.exe"), before: [] };
  const command = join(folder, process.platform === "win32" ? "deno.exe" : "deno");
  return { command, before: ["run", "--allow-all", "--no-check", "--quiet"] };
}
