import { wait } from "./wait.ts";

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

/** A folder of files, wherever it is kept. */
export interface Tree {
  /** The paths of its files, relative to it, and how much there is in all. */
  list(signal: AbortSignal): Promise<{ readonly paths: readonly string[]; readonly bytes: number }>;
  /** Undefined for a file that has gone, or may not be read: a repository is alive while it is hashed. */
  read(path: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

/** So many progress steps at the most, however many files there are: what remembers them needs no other bound. */
const MOST_STEPS = 300;

/**
 * Hashes every file of a tree with SHA-256. The final digest is that of the list of digests, in the format of
 * `sha256sum`, ordered by path.
 */
export async function* hashTree(tree: Tree, { seconds, signal }: HashingOptions): AsyncGenerator<HashingStep> {
  const startedAt = performance.now();
  const { paths, bytes } = await tree.list(signal);
  const files = paths.length;
  yield { event: "started", data: { files, bytes, seconds } };

  let list = "";
  let bytesDone = 0;
  let hashingMs = 0;
  let progress: HashingProgress = { file: "", filesDone: 0, files, bytesDone, bytes, hashingMs, ms: 0 };
  for (const [index, file] of paths.toSorted((a, b) => (a < b ? -1 : 1)).entries()) {
    const before = performance.now();
    const content = await tree.read(file);
    if (content !== undefined) list += `${await digest(content)}  ./${file}\n`;
    hashingMs += performance.now() - before;
    bytesDone += content?.length ?? 0;

    const filesDone = index + 1;
    await waitUntil(startedAt + (seconds * 1000 * filesDone) / files, signal);
    const ms = Math.round(performance.now() - startedAt);
    progress = { file, filesDone, files, bytesDone, bytes, hashingMs: round(hashingMs), ms };
    const isDue = Math.floor((filesDone * MOST_STEPS) / files) > Math.floor((index * MOST_STEPS) / files);
    if (isDue) yield { event: "progress", data: progress };
  }
  yield { event: "finished", data: { ...progress, digest: await digest(new TextEncoder().encode(list)) } };
}

async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function waitUntil(time: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const left = time - performance.now();
  if (left > 2) await wait(left, signal);
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
