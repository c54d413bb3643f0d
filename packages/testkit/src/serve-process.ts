import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { StartedServer } from "./stage.ts";

/**
 * Starts a server in a process of its own, for runtimes that are not this one. The process prints its URL, in a line of
 * its own, once it listens; what else it prints goes to this process's standard error.
 *
 * @param command the runtime itself, and not a script that starts it: that would be killed in its place
 * @returns its URL; `close()` kills the process
 */
export async function serveProcess(command: string, args: readonly string[]): Promise<StartedServer> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${command} ended with ${code} before it listened`)));
    createInterface(child.stdout).on("line", (line) => {
      if (/^https?:\/\/\S+$/.test(line)) resolve(line);
      else process.stderr.write(`${line}\n`);
    });
  });
  return {
    url,
    close: () => {
      child.kill("SIGKILL");
      return ended;
    },
  };
}
