import type { Start } from "./cursor.ts";
import type { Feed } from "./feed.ts";
import type { Replays } from "./replays.ts";
import { liveBatch } from "./segment.ts";
import type { Batch } from "./segment.ts";
import { backoff, sleep, startTimer } from "./timer.ts";

/** What a reader needs of its hub. */
export interface ReaderContext {
  readonly channel: string;
  readonly feed: Feed;
  readonly replays: Replays;
  /** Whether a store that fails is waited for, or ends the reader. */
  readonly whenStoreFails: "wait" | "end";
}

/**
 * One reader of a channel: a cursor, and no queue. Within the feed's run it takes what is there; behind it, it reads the
 * store; and since both are the same log at the same positions, going from one to the other can neither lose nor repeat.
 */
export class Reader {
  readonly #context: ReaderContext;
  readonly #signal: AbortSignal;
  #cursor: Start;
  /** The number of the next segment, while the reader is within the run. */
  #place: number | undefined = undefined;
  #isLive = false;
  /** Ends the wait, while there is one. */
  #interrupt: (() => void) | undefined = undefined;

  constructor(context: ReaderContext, start: Start, signal: AbortSignal) {
    this.#context = context;
    this.#cursor = start;
    this.#signal = signal;
    // Once for the reader, not for each wait, which come by the thousand.
    signal.addEventListener("abort", () => this.#interrupt?.(), { once: true });
  }

  /**
   * What comes next, about `maxBytes` of it and at least one segment; waits until there is something.
   *
   * @returns undefined when the signal has aborted
   */
  async next(maxBytes: number): Promise<Batch | undefined> {
    const { feed, whenStoreFails } = this.#context;
    for (let failures = 0; !this.#signal.aborted;) {
      this.#place ??= this.#findPlace();
      const taken = this.#place === undefined ? undefined : this.#take(this.#place, maxBytes);
      if (taken !== undefined) return taken;
      if (this.#place !== undefined) {
        await this.#untilChanged();
        continue;
      }
      const before = feed.position;
      try {
        const read = await this.#read(maxBytes);
        failures = 0;
        if (read.segments.length > 0) return read;
      } catch (error) {
        if (this.#signal.aborted) return undefined;
        if (whenStoreFails === "end") throw error;
        await sleep(backoff(failures++), this.#signal);
        continue;
      }
      // All that was stored has been read, and the feed is not there yet; or it has come further meanwhile.
      if (this.#findPlace() !== undefined || feed.position !== before) continue;
      feed.wake();
      await this.#untilChanged(LAG);
    }
    return undefined;
  }

  /** From the run. Where the reader has fallen behind it, it loses its place; where it has read all, nothing is there. */
  #take(place: number, maxBytes: number): Batch | undefined {
    const { feed } = this.#context;
    const batch = feed.take(place, maxBytes);
    this.#place = batch === undefined ? undefined : place + batch.segments.length;
    const last = batch?.segments.at(-1);
    if (last !== undefined) {
      this.#cursor = last.position;
      return batch;
    }
    if (batch === undefined || this.#isLive || feed.position === undefined) return undefined;
    this.#isLive = true;
    this.#cursor = feed.position;
    return liveBatch(feed.position);
  }

  /** Until the feed has something new, the reader is stopped, or so many ms have passed. */
  #untilChanged(within?: number): Promise<void> {
    const { feed } = this.#context;
    return new Promise((resolve) => {
      const done = (): void => {
        stopTimer?.();
        feed.forget(done);
        this.#interrupt = undefined;
        resolve();
      };
      const stopTimer = within === undefined ? undefined : startTimer(within, done);
      this.#interrupt = done;
      feed.wait(done);
    });
  }

  #findPlace(): number | undefined {
    const { feed } = this.#context;
    if (feed.position === undefined) return undefined;
    if (typeof this.#cursor === "object") return feed.placeOfLast(this.#cursor.last);
    return feed.placeOf(this.#cursor === "tail" ? feed.position : this.#cursor);
  }

  async #read(maxBytes: number): Promise<Batch> {
    const { replays, channel } = this.#context;
    if (typeof this.#cursor === "object")
      this.#cursor = await replays.positionOfLast(channel, this.#cursor.last, this.#signal);
    const { batch, next } = await replays.read(channel, this.#cursor, maxBytes, this.#signal);
    this.#cursor = next;
    return batch;
  }
}

/** How long a reader that is ahead of its feed waits before it looks again, in ms. */
const LAG = 1000;
