import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

const SERVER = join(import.meta.dirname, "../server.ts");

/** The showcase as a visitor starts it: a process of its own. */
export interface Showcase {
  readonly url: string;
  readonly process: ChildProcess;
  /** Everything that it has printed. */
  readonly output: () => string;
  /** Sends a signal and waits for the exit code. */
  stop(signal?: "SIGINT" | "SIGTERM"): Promise<number | null>;
}

/**
 * Starts the showcase, on any free port unless `env` names one, and waits for the address that it prints.
 *
 * @param on the platform. Default: the showcase's own
 */
export async function startShowcase(
  env: Readonly<Record<string, string | undefined>> = {},
  on?: string,
): Promise<Showcase> {
  const { child, output } = spawnShowcase({ PORT: "0", ...env }, on === undefined ? [] : ["--on", on]);
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout?.on("data", () => {
      const address = /http:\/\/\S+:\d+/.exec(output());
      if (address !== null && output().includes("Ctrl-C")) resolve(address[0]);
    });
    child.once("exit", (code) => reject(new Error(`The showcase ended with ${code}:\n${output()}`)));
  });
  return {
    url,
    process: child,
    output,
    // Ctrl-C is the one that does not take its time.
    async stop(signal = "SIGINT") {
      if (child.exitCode !== null) return child.exitCode;
      const exited = once(child, "exit");
      child.kill(signal);
      const [code] = (await exited) as [number | null];
      return code;
    },
  };
}

/** Starts the showcase where it is expected to give up, and waits for that. */
export async function runToExit(
  env: Readonly<Record<string, string | undefined>>,
  args: readonly string[] = [],
): Promise<{ code: number; output: string }> {
  const { child, output } = spawnShowcase(env, args);
  const [code] = (await once(child, "close")) as [number];
  return { code, output: output() };
}

function spawnShowcase(
  env: Readonly<Record<string, string | undefined>>,
  args: readonly string[],
): { child: ChildProcess; output: () => string } {
  const { PORT: _port, HOST: _host, OPENAI_BASE_URL: _url, OPENAI_API_KEY: _key, ...inherited } = process.env;
  const child = spawn(process.execPath, [SERVER, ...args], {
    env: { ...inherited, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return { child, output: () => text };
}
