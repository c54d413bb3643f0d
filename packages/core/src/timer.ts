/** The longest delay that timers take; a longer one would fire at once. */
const LONGEST = 2 ** 31 - 1;

/** Starts a timer that keeps no process alive, where the runtime lets a timer say so, and returns what stops it. */
export function startTimer(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, Math.min(ms, LONGEST));
  const handle: unknown = timer;
  if (typeof handle === "object" && handle !== null && "unref" in handle && typeof handle.unref === "function") {
    handle.unref();
  }
  return () => clearTimeout(timer);
}

/** Resolves after so many ms, or when the signal aborts. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stop();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const stop = startTimer(ms, done);
    if (signal.aborted) done();
    else signal.addEventListener("abort", done);
  });
}

/** In ms: doubling from a tenth of a second to five, each a random part of that. */
export function backoff(failures: number): number {
  return (0.5 + Math.random() / 2) * Math.min(100 * 2 ** failures, 5000);
}

/** After how many gaps in a row a store is read more slowly. */
const MOST_GAPS = 8;

/**
 * Waits where reads of a store have brought this many gaps in a row. A log may be trimmed again while its reader goes on, a few
 * times; a store that always says so would be read without end.
 */
export async function afterGaps(gaps: number, signal: AbortSignal): Promise<void> {
  if (gaps > MOST_GAPS) await sleep(backoff(gaps - MOST_GAPS), signal);
}

/** Runs it when the event loop has had a turn for everything else: input, output, timers. */
export function nextTurn(run: () => void): void {
  if (setImmediate === undefined) setTimeout(run, 0);
  else setImmediate(run);
}

// The runtime's own, also where a test has put a fake in its place by now: a turn is not a matter of time.
const { setImmediate } = globalThis as { readonly setImmediate?: (run: () => void) => unknown };
