import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** What happens in the course of the job, in the order in which it does. */
export type HashingStep =
  | { readonly event: "started"; readonly data: { files: number; bytes: number; seconds: number } }
  | { readonly event: "progress"; readonly data: HashingProgress }
  | { readonly event: "finished"; readonly data: HashingProgress & { digest: string } };

interface HashingProgress {
  /** The file that was hashed last, relative to the root. */
  readonly file: string;
  readonly filesDone: number;
  readonly files: number;
  readonly bytesDone: number;
  readonly bytes: number;
  /** How long was spent reading and hashing, without the waiting between, in ms. */
  readonly hashingMs: number;
  /** Since the start, in ms. */
  readonly ms: number;
}

export interface HashingOptions {
  /** How long to take about it: hashing a repository is over in an instant, and nobody could watch. */
  readonly seconds: number;
  readonly signal: AbortSignal;
}

const SKIPPED = new Set(["node_modules", ".git", "dist", "coverage"]);

/** So many progress steps at the most, however many files there are: what remembers them needs no other bound. */
const MOST_STEPS = 300;

/**
 * Hashes every file below `root` with SHA-256. The final digest is that of the list of digests, in the format of
 * `sha256sum`, ordered by path.
 */
export async function* hashTree(root: string, { seconds, signal }: HashingOptions): AsyncGenerator<HashingStep> {
  const startedAt = performance.now();
  const { paths, bytes } = await listFiles(root, signal);
  const files = paths.length;
  yield { event: "started", data: { files, bytes, seconds } };

  const list = createHash("sha256");
  let bytesDone = 0;
  let hashingMs = 0;
  let progress: HashingProgress = { file: "", filesDone: 0, files, bytesDone, bytes, hashingMs, ms: 0 };
  for (const [index, path] of paths.entries()) {
    const name = relative(root, path).replaceAll(sep, "/");
    const before = performance.now();
    const hashed = await hashFile(path, signal);
    hashingMs += performance.now() - before;
    if (hashed !== undefined) list.update(`${hashed.digest}  ./${name}\n`);
    bytesDone += hashed?.bytes ?? 0;

    const filesDone = index + 1;
    await waitUntil(startedAt + (seconds * 1000 * filesDone) / files, signal);
    const ms = Math.round(performance.now() - startedAt);
    progress = { file: name, filesDone, files, bytesDone, bytes, hashingMs: round(hashingMs), ms };
    const isDue = Math.floor((filesDone * MOST_STEPS) / files) > Math.floor((index * MOST_STEPS) / files);
    if (isDue) yield { event: "progress", data: progress };
  }
  yield { event: "finished", data: { ...progress, digest: list.digest("hex") } };
}

async function listFiles(root: string, signal: AbortSignal): Promise<{ paths: string[]; bytes: number }> {
  const paths: string[] = [];
  let bytes = 0;
  const folders = [root];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    signal.throwIfAborted();
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && !SKIPPED.has(entry.name)) folders.push(path);
      if (!entry.isFile()) continue;
      paths.push(path);
      bytes += (await stat(path).catch(() => undefined))?.size ?? 0;
    }
  }
  return { paths: paths.toSorted((a, b) => (a < b ? -1 : 1)), bytes };
}

/** @returns undefined for a file that has gone, or may not be read: a repository is alive while it is hashed */
async function hashFile(path: string, signal: AbortSignal): Promise<{ digest: string; bytes: number } | undefined> {
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(path, { signal })) {
      const part = chunk as Buffer;
      hash.update(part);
      bytes += part.length;
    }
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
  return { digest: hash.digest("hex"), bytes };
}

async function waitUntil(time: number, signal: AbortSignal): Promise<void> {
  const left = time - performance.now();
  if (left > 2) await sleep(left, undefined, { signal });
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
