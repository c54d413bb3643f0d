import { writeFile } from "node:fs/promises";
import type { Profiler } from "node:inspector";
import { Session } from "node:inspector/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const TOP = 30;

/** Profiles this process; what it returns ends that, and tells what took the most time by itself. */
export async function startProfile(): Promise<() => Promise<string>> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: 200 });
  await session.post("Profiler.start");
  return async () => {
    const { profile } = await session.post("Profiler.stop");
    session.disconnect();
    const path = join(tmpdir(), `fanout-${process.pid}.cpuprofile`);
    await writeFile(path, JSON.stringify(profile));
    return `${topOf(profile)}\n\nAll of it, for a profile viewer: ${path}`;
  };
}

function topOf({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): string {
  const byId = new Map(nodes.map((node) => [node.id, node.callFrame]));
  const times = new Map<string, number>();
  let busy = 0;
  samples.forEach((id, i) => {
    const frame = byId.get(id);
    // Nor what profiling itself has taken.
    if (frame === undefined || frame.functionName === "(idle)" || frame.url === "node:inspector") return;
    const file = frame.url.split("/").slice(-2).join("/");
    const name = `${frame.functionName || "(anonymous)"}${file && ` ${file}:${frame.lineNumber + 1}`}`;
    times.set(name, (times.get(name) ?? 0) + (timeDeltas[i] ?? 0));
    busy += timeDeltas[i] ?? 0;
  });
  const top = [...times].toSorted(([, a], [, b]) => b - a).slice(0, TOP);
  return [
    `Self time, of ${(busy / 1000).toFixed(0)} ms that were not idle:`,
    ...top.map(([name, time]) => `${((100 * time) / busy).toFixed(1).padStart(6)} %  ${name}`),
  ].join("\n");
}
