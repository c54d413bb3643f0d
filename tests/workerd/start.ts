import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { StartedServer } from "@sluice/testkit";
import { build } from "esbuild";

/** What to run. */
export interface WorkerdOptions {
  /** The path of the module with the Worker, and with the class of its Durable Objects, if it has any. */
  readonly entry: string;
  /** That class. */
  readonly className?: string | undefined;
  /** Where the Worker finds the namespace of that class in `env`. Default `OBJECTS`. */
  readonly binding?: string | undefined;
  /** What else is in `env`. */
  readonly vars?: Readonly<Record<string, string>> | undefined;
  /** Default `enable_request_signal`. */
  readonly flags?: readonly string[] | undefined;
}

/** workerd, with what it stores on disk. */
export interface Workerd extends StartedServer {
  /** Kills it, as a machine that is lost is gone: with SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again, at the same address and over the same storage. */
  restart(): Promise<void>;
}

/** Bundles a Worker as a user would, without Node compatibility, and serves it. */
export async function startWorkerd(options: WorkerdOptions): Promise<Workerd> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-workerd-"));
  await mkdir(join(folder, "storage"));
  await build({
    entryPoints: [options.entry],
    outfile: join(folder, "worker.js"),
    bundle: true,
    format: "esm",
    target: "es2023",
    external: ["cloudflare:workers"],
    logLevel: "error",
  });
  const config = join(folder, "config.capnp");
  const serve = async (port: number): Promise<Served> => {
    await writeFile(config, configOf(options, port));
    return spawnWorkerd(config);
  };
  let { child, port } = await serve(0);
  return {
    url: `http://127.0.0.1:${port}`,
    kill: () => kill(child),
    restart: async () => {
      ({ child, port } = await serve(port));
    },
    close: async () => {
      await kill(child);
      await rm(folder, { recursive: true });
    },
  };
}

/** Whether workerd runs here; where all engines are required, its tests run in any case, and fail. */
export function canRunWorkerd(): boolean {
  if (process.env["REQUIRE_ENGINES"] === "1") return true;
  try {
    execFileSync(workerd(), ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    console.warn("Skipped: workerd does not run here; `pnpm install` gets it for the common platforms");
    return false;
  }
}

function configOf(
  { className, binding = "OBJECTS", vars = {}, flags = ["enable_request_signal"] }: WorkerdOptions,
  port: number,
): string {
  const objects =
    className === undefined
      ? ""
      : `durableObjectNamespaces = [(className = "${className}", uniqueKey = "${className}", enableSql = true)],
    durableObjectStorage = (localDisk = "storage"),`;
  const bindings = [
    ...(className === undefined ? [] : [`(name = "${binding}", durableObjectNamespace = "${className}")`]),
    ...Object.entries(vars).map(([name, text]) => `(name = "${name}", text = ${JSON.stringify(text)})`),
  ];
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [(name = "worker", esModule = embed "worker.js")],
    compatibilityDate = "2026-07-01",
    compatibilityFlags = ${JSON.stringify(flags)},
    ${objects}
    bindings = [${bindings.join(", ")}],
  )), (name = "storage", disk = (path = "storage", writable = true))],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
`;
}

interface Served {
  readonly child: ChildProcess;
  readonly port: number;
}

/** @returns when it says where it listens */
async function spawnWorkerd(config: string): Promise<Served> {
  const child = spawn(workerd(), ["serve", config, "--control-fd=3"], {
    cwd: dirname(config),
    stdio: ["ignore", "inherit", "inherit", "pipe"],
  });
  const port = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`workerd ended with ${code} before it listened`)));
    createInterface(child.stdio[3] as Readable).on("line", (line) => {
      const told = JSON.parse(line) as { readonly event: string; readonly port?: number };
      if (told.event === "listen") resolve(told.port as number);
    });
  });
  return { child, port };
}

/** Itself, and not npm's script that starts it and would outlive it. */
function workerd(): string {
  return join(dirname(createRequire(import.meta.url).resolve("workerd/package.json")), "bin/workerd");
}

function kill(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once("exit", () => resolve());
    child.kill("SIGKILL");
  });
}
