import { execFileSync, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { StartedServer } from "@sluice/testkit";

const require = createRequire(import.meta.url);
const here = dirname(fileURLToPath(import.meta.url));

/** Starts a process that says in a line where it listens. */
export async function startProcess(
  command: string,
  args: readonly string[],
  { channel = 1, urlOf = (line: string): string | undefined => line } = {},
): Promise<StartedServer> {
  const child = spawn(command, args, { cwd: here, stdio: ["ignore", "pipe", "inherit", "pipe"] });
  const url = await new Promise<string>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${command} ended with ${code} before it listened`)));
    createInterface(child.stdio[channel] as Readable).on("line", (line) => {
      const found = urlOf(line);
      if (found !== undefined) resolve(found);
    });
  });
  child.stdout?.resume();
  return {
    url,
    close: () =>
      new Promise((resolve) => {
        child.once("exit", () => resolve());
        child.kill("SIGKILL");
      }),
  };
}

/** The path of an engine that npm has installed: itself, and not a script that starts it and would outlive it. */
export function binary(name: Engine): string {
  const file = { bun: "bun/bin/bun.exe", deno: "deno/deno" }[name];
  return join(dirname(require.resolve(`${name}/package.json`)), "..", file);
}

export type Engine = "bun" | "deno";

/** Whether an engine runs here; where all are required, its tests run in any case, and fail. */
export function canRun(name: Engine): boolean {
  if (process.env["REQUIRE_ENGINES"] === "1") return true;
  try {
    execFileSync(binary(name), ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    console.warn(`Skipped: ${name} does not run here; \`pnpm install\` gets it for the common platforms`);
    return false;
  }
}
