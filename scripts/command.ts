import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the workspace. */
export const root: string = fileURLToPath(new URL("..", import.meta.url));

export interface CommandResult {
  readonly ok: boolean;
  /** Both streams, as they came. */
  readonly output: string;
}

/**
 * Runs one command of the workspace's `node_modules/.bin` (or of the machine) to its end.
 *
 * @param options `cwd` from the root, `env` on top of this process's
 * @returns whether it exited with 0, and what it printed; a command that cannot start is not ok, and says why
 */
export function run(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<CommandResult> {
  const { promise, resolve } = Promise.withResolvers<CommandResult>();
  const bin = join(root, "node_modules/.bin");
  const child = spawn(command, args, {
    cwd: join(root, options.cwd ?? ""),
    env: { ...process.env, NO_COLOR: "1", ...options.env, PATH: bin + delimiter + process.env["PATH"] },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const collect = (text: string): void => {
    output += text;
  };
  child.stdout.setEncoding("utf8").on("data", collect);
  child.stderr.setEncoding("utf8").on("data", collect);
  child.on("error", (error) => resolve({ ok: false, output: `${output}${error.message}\n` }));
  child.on("close", (code) => resolve({ ok: code === 0, output }));
  return promise;
}

/** Runs pnpm, in the version that package.json names: a fresh machine has none. */
export function pnpm(...args: string[]): Promise<CommandResult> {
  const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { packageManager: string };
  return run("npx", ["--yes", packageManager, ...args]);
}
