import { readdir, readFile, stat } from "node:fs/promises";
import { availableParallelism, cpus, freemem, loadavg, totalmem } from "node:os";
import { join, relative, resolve, sep } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Tree } from "./hashing.ts";
import type { Probe } from "./machine.ts";
import { pageFile } from "./page-files.ts";
import type { Host } from "./showcase.ts";

/** Where there are Node's modules: on Node itself, and as well on Bun and on Deno. */
export function nodeHost(platform: string): Host {
  return {
    platform,
    env: process.env,
    probe: machineProbe(),
    tree: folder(resolve(import.meta.dirname, "../..")),
    page: pageFile,
    book: () => readFile(join(import.meta.dirname, "corpus/pride-and-prejudice.txt"), "utf8"),
  };
}

const SKIPPED = new Set(["node_modules", ".git", "dist", "coverage"]);

function folder(root: string): Tree {
  return {
    async list(signal) {
      const paths: string[] = [];
      let bytes = 0;
      const folders = [root];
      for (let at = folders.pop(); at !== undefined; at = folders.pop()) {
        signal.throwIfAborted();
        for (const entry of await readdir(at, { withFileTypes: true })) {
          const path = join(at, entry.name);
          if (entry.isDirectory() && !SKIPPED.has(entry.name)) folders.push(path);
          if (!entry.isFile()) continue;
          paths.push(relative(root, path).replaceAll(sep, "/"));
          bytes += (await stat(path).catch(() => undefined))?.size ?? 0;
        }
      }
      return { paths, bytes };
    },
    async read(path) {
      const bytes = await readFile(join(root, path)).catch(() => undefined);
      return bytes && new Uint8Array(bytes);
    },
  };
}

/** How often the loop is looked at, in ms; the histogram counts it in. */
const LOOP_RESOLUTION = 20;

function machineProbe(): Probe {
  const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION });
  let before = cpuTimes();
  return {
    reset() {
      before = cpuTimes();
      loop.reset();
      loop.enable();
    },
    look() {
      const now = cpuTimes();
      const cpu = (now.busy - before.busy) / Math.max(1, now.all - before.all);
      before = now;
      const loopDelay = Math.max(0, loop.percentile(99) / 1e6 - LOOP_RESOLUTION);
      loop.reset();
      return {
        cpu: round(cpu, 3),
        load: round(loadavg()[0] ?? 0, 2),
        cores: availableParallelism(),
        memoryUsed: totalmem() - freemem(),
        memoryTotal: totalmem(),
        rss: process.memoryUsage.rss(),
        loopDelay: round(loopDelay, 1),
      };
    },
    rest: () => void loop.disable(),
  };
}

/** The time that all cores have spent, and have spent busy, since the machine was started, in ms. */
function cpuTimes(): { busy: number; all: number } {
  let busy = 0;
  let all = 0;
  for (const { times } of cpus()) {
    const working = times.user + times.nice + times.sys + times.irq;
    busy += working;
    all += working + times.idle;
  }
  return { busy, all };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
