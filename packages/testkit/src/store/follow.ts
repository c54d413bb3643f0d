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
    for (let isFirst = true; !leaving.signal.aborted; isFirst = false) {
      // The bell is cleared before the read, not after it: what rings meanwhile may be too late for this read.
      const slice = bell.takeHint(cursor) ?? (await store.read(channel, cursor, { limit, signal: leaving.signal }));
      cursor = slice.next;
      if (isFirst || slice.events.length > 0 || slice.gap !== undefined || slice.closed) yield slice;
      if (slice.closed) return;
      if (slice.upToDate) await bell.rung(pollEvery);
    }
  } catch (error) {
    if (!leaving.signal.aborted) throw error;
  } finally {
    leave();
    signal?.removeEventListener("abort", leave);
  }
}

/** Remembers that it rang, and the last hint: never more than one slice, however long the reader stays away. */
class Bell {
  readonly #leaving: AbortSignal;
  #hasRung = false;
  #hint: Slice | undefined = undefined;
  #wake: (() => void) | undefined = undefined;

  constructor(leaving: AbortSignal) {
    this.#leaving = leaving;
    leaving.addEventListener("abort", () => this.#wake?.());
  }

  readonly ring = (hint?: Slice): void => {
    this.#hasRung = true;
    this.#hint = hint;
    this.#wake?.();
  };

  /**
   * Clears the bell. A hint is as good as a read only if it continues the cursor, and if the cursor is an id: "origin"
   * is the same in every epoch, so that a late hint of a log that has since been dropped would be taken for news.
   */
  takeHint(cursor: Cursor): Slice | undefined {
    const hint = this.#hint;
    this.#hasRung = false;
    this.#hint = undefined;
    return hint?.from === cursor && cursor !== "origin" ? hint : undefined;
  }

  async rung(pollEvery: number | false): Promise<void> {
    if (this.#hasRung || this.#leaving.aborted) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (pollEvery !== false) timer = setTimeout(resolve, pollEvery);
    });
    clearTimeout(timer);
    this.#wake = undefined;
  }
}
