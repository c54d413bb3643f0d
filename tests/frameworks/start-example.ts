import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { delimiter, dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const examples = fileURLToPath(new URL("../../examples/", import.meta.url));

/** An example as its reader would start it: a process of its own, built first where there is something to build. */
export interface RunningExample {
  readonly url: string;
  /** Resolves when it has printed so many lines that contain the text. */
  untilSaid(text: string, times: number): Promise<void>;
  /** Asks it to stop, and resolves when its process has ended. */
  stop(): Promise<void>;
  /** Ends its process, whatever it does. */
  kill(): void;
}

/** Runs the scripts `build` and `start` of an example, and waits until it takes connections on a free port. */
export async function startExample(name: string): Promise<RunningExample> {
  const folder = join(examples, name);
  const { scripts } = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as {
    scripts: { build?: string; start: string };
  };
  if (scripts.build !== undefined) await build(scripts.build, folder);

  const port = await freePort();
  const child = runScript(scripts.start, folder, { PORT: `${port}` });
  const output = outputOf(child);
  const exited = once(child, "exit");
  while (!(await takesConnections(port))) {
    if (child.exitCode !== null) throw new Error(`${scripts.start} ended with ${child.exitCode}:\n${output()}`);
    await setTimeout(50);
  }
  return {
    url: `http://127.0.0.1:${port}`,
    async untilSaid(text, times) {
      while (output().split(text).length <= times) await once(child.stdout!, "data");
    },
    async stop() {
      child.kill("SIGTERM");
      await exited;
    },
    kill: () => child.kill("SIGKILL"),
  };
}

async function build(script: string, folder: string): Promise<void> {
  const child = runScript(script, folder, {});
  const output = outputOf(child);
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`${script} ended with ${code}:\n${output()}`);
}

/** Without a shell between, which a signal would end in place of the script. */
function runScript(script: string, folder: string, env: Readonly<Record<string, string>>): ChildProcess {
  // What vitest has said to this process would make frameworks build for development.
  const { NODE_ENV: _env, VITEST: _vitest, PATH = "", ...inherited } = process.env;
  const [command = "", ...args] = script.split(" ");
  return spawn(command, args, {
    cwd: folder,
    env: {
      ...inherited,
      NEXT_TELEMETRY_DISABLED: "1",
      PATH: [dirname(process.execPath), join(folder, "node_modules/.bin"), PATH].join(delimiter),
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

function outputOf({ stdout, stderr }: ChildProcess): () => string {
  let text = "";
  for (const stream of [stdout, stderr]) stream?.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return () => text;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
