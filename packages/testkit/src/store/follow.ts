import type { Cursor, EventStore, Slice } from "@sluice/core";

/** Options of {@link follow}. */
export interface FollowOptions {
  /** Ends the loop. */
  readonly signal?: AbortSignal | undefined;
  /** How long the doorbell is trusted, in ms: after it the store is read all the same; `false` for ever. Default 1,000. */
  readonly pollEvery?: number | false | undefined;
  /** The most events of one slice. Default 256. */
  readonly limit?: number | undefined;
}

/** A read loop: {@link follow}, or one that is to be tried in its place. */
export type Follow = (
  store: EventStore,
  channel: string,
  after: Cursor,
  options?: FollowOptions,
) => AsyncIterable<Slice, void, undefined>;

/**
 * The read loop that a store is made for, in its plainest form: register the doorbell, read from the cursor, yield, wait
 * for the bell or a poll, read again. The hub of `@sluice/core` does the same for many readers at once.
 *
 * The cursor is the only truth: there is no buffer to merge and no set of ids that were seen. That is why a store has so
 * little to promise about its doorbell, and so much about `read`.
 *
 * Yields the first slice, which says where the reader is, and then those with events, with a gap or with the end.
 *
 * @example
 * ```ts ignore
 * for await (const { events, gap } of follow(store, "news", "tail", { signal })) {
 *   if (gap !== undefined) console.warn(`Some of the news is missing: ${gap}`);
 *   for (const { data } of events) console.log(data);
 * }
 * ```
 */
export async function* follow(
  store: EventStore,
  channel: string,
  after: Cursor,
  { signal, pollEvery = 1000, limit }: FollowOptions = {},
): AsyncGenerator<Slice, void, undefined> {
  const leaving = new AbortController();
  const leave = (): void => leaving.abort();
  if (signal?.aborted === true) return;
  signal?.addEventListener("abort", leave);
  const bell = new Bell(leaving.signal);
  try {
    // The bell comes before the first read: what is appended between the two is found by the one, or rings the other.
    await store.watch(channel, bell.ring, leaving.signal);
    let cursor = after;
    let hint: Slice | undefined;
    for (let isFirst = true; !leaving.signal.aborted; isFirst = false) {
      // A hint is as good as a read only if it continues the cursor, and if that is an id: "origin" is the same in every
      // epoch, so that a late hint of a log that has since been dropped would be taken for news.
      const fits = hint?.from === cursor && cursor !== "origin";
      // The bell is cleared before the read, not after it: what rings meanwhile may be too late for this read.
      if (!fits) bell.clear();
      const slice = fits && hint ? hint : await store.read(channel, cursor, { limit, signal: leaving.signal });
      cursor = slice.next;
      if (isFirst || slice.events.length > 0 || slice.gap !== undefined || slice.closed) yield slice;
      if (slice.closed) return;
      hint = slice.upToDate ? await bell.rung(pollEvery) : undefined;
    }
  } catch (error) {
    if (!leaving.signal.aborted) throw error;
  } finally {
    leave();
    signal?.removeEventListener("abort", leave);
  }
}

/**
 * Remembers that it rang, and no hint: only one that comes while the reader waits, with nothing else left to read, can be
 * trusted to be the newest. Rings may overtake each other, and a hint that comes too late says "up to date" wrongly.
 */
class Bell {
  readonly #leaving: AbortSignal;
  #hasRung = false;
  #wake: ((hint?: Slice) => void) | undefined = undefined;

  constructor(leaving: AbortSignal) {
    this.#leaving = leaving;
    leaving.addEventListener("abort", () => this.ring());
  }

  readonly ring = (hint?: Slice): void => {
    if (this.#wake === undefined) this.#hasRung = true;
    else this.#wake(hint);
    this.#wake = undefined;
  };

  clear(): void {
    this.#hasRung = false;
  }

  /** @returns the hint, if the bell rings with one after this call */
  async rung(pollEvery: number | false): Promise<Slice | undefined> {
    if (this.#hasRung || this.#leaving.aborted) return undefined;
    return new Promise((resolve) => {
      const timer = pollEvery === false ? undefined : setTimeout(this.ring, pollEvery);
      this.#wake = (hint) => {
        clearTimeout(timer);
        resolve(hint);
      };
    });
  }
}
