import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** A server in a process of its own, whatever that runs on: it is measured from outside. */
export interface ServerProcess {
  readonly port: number;
  /** What it and its children have used so far, user and system, in µs. */
  cpu(): number;
  /** What it and its children have in memory now, in bytes. */
  rss(): number;
  stop(): Promise<void>;
}

/** How a server of `servers/` is started with its arguments, by the platform's name. */
const commands: Readonly<Record<string, (args: readonly string[]) => Promise<ServerProcess>>> = {
  node: onNode("node"),
  express: onNode("express"),
  koa: onNode("koa"),
  fastify: onNode("fastify"),
  // The binaries, and not npm's scripts that start them and would be measured, and killed, in their place.
  bun: (args) => serve(binary("bun", "bin/bun.exe"), [moduleOf("bun"), ...args]),
  deno: (args) => serve(binary("deno", "deno"), ["run", "--allow-all", "--no-check", moduleOf("deno"), ...args]),
  workerd: serveWorker,
};

export const platforms = Object.keys(commands);

/** Starts a platform's server; resolves when it listens. */
export function startServer(platform: string, args: readonly string[]): Promise<ServerProcess> {
  return (commands[platform] as (typeof commands)[string])(args);
}

function onNode(name: string): (args: readonly string[]) => Promise<ServerProcess> {
  return (args) => serve(process.execPath, [moduleOf(name), ...args]);
}

function moduleOf(name: string): string {
  return fileURLToPath(new URL(`servers/${name}.ts`, import.meta.url));
}

function binary(name: string, path: string): string {
  return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), path);
}

/** Bundles the Worker, as its users do. */
async function serveWorker([contender, eventBytes]: readonly string[]): Promise<ServerProcess> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-bench-"));
  const outfile = join(folder, "worker.js");
  await build({ entryPoints: [moduleOf("workerd")], outfile, bundle: true, format: "esm", target: "es2023" });
  const config = join(folder, "config.capnp");
  await writeFile(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [(name = "worker", esModule = embed "worker.js")],
    compatibilityDate = "2026-07-01",
    compatibilityFlags = ["enable_request_signal"],
    durableObjectNamespaces = [(className = "BenchObject", uniqueKey = "BenchObject")],
    durableObjectStorage = (inMemory = void),
    bindings = [
      (name = "CHANNELS", durableObjectNamespace = "BenchObject"),
      (name = "CONTENDER", text = "${contender}"),
      (name = "EVENT_BYTES", text = "${eventBytes}"),
    ],
  ))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
`,
  );
  const server = await serve(binary("workerd", "bin/workerd"), ["serve", config, "--control-fd=3"]);
  return {
    ...server,
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true });
    },
  };
}

/** Starts a process that tells its port, in a line: on stdout a number, or on its fourth descriptor as workerd does. */
async function serve(command: string, args: readonly string[]): Promise<ServerProcess> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit", "pipe"] });
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const port = await portOf(child, command);
  const pid = child.pid as number;
  return {
    port,
    cpu: () => sumOverTree(pid, cpuOf),
    rss: () => sumOverTree(pid, rssOf),
    stop() {
      child.kill("SIGKILL");
      return gone;
    },
  };
}

function portOf(child: ChildProcess, command: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${command} ended with ${code} before it listened`)));
    const onLine = (line: string): void => {
      const port = Number(/^\d+$|(?<="port":)\d+/.exec(line)?.[0]);
      if (port > 0) resolve(port);
      else process.stderr.write(`${line}\n`);
    };
    for (const descriptor of [1, 3]) createInterface(child.stdio[descriptor] as Readable).on("line", onLine);
  });
}

function sumOverTree(pid: number, of: (pid: number) => number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const children = threads.flatMap((thread) => pidsIn(`/proc/${pid}/task/${thread}/children`));
  return children.reduce((sum, child) => sum + sumOverTree(child, of), of(pid));
}

function pidsIn(path: string): number[] {
  return readFileSync(path, "utf8").split(" ").filter(Boolean).map(Number);
}

/** The kernel's tick, in which it tells what a process has used, whatever it counts in itself: in µs. */
const TICK = 10_000;

function cpuOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // Behind the command, which may have spaces in it: the fields from the third on. User and system are 14 and 15, and
  // those of children that have ended 16 and 17.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return TICK * fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0);
}

function rssOf(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}
