import type { Start } from "./cursor.ts";
import type { Position } from "./event-store.ts";
import type { Feed, Follower } from "./feed.ts";
import type { Lens } from "./lens.ts";
import type { Replay, Replays } from "./replays.ts";
import { beginningOf, gapSegment, SegmentBatch } from "./segment.ts";
import type { Batch, Beginning, Segment } from "./segment.ts";
import { afterGaps, backoff, sleep, startTimer } from "./timer.ts";

/** One cursor, or several together, that are moved on by taking what follows. */
export interface Reading {
  /**
   * What comes next, about `maxBytes` of it and at least one segment. Undefined when there is nothing now: `onReady` is
   * called when there may be.
   *
   * @throws what the store threw, where that is to end the reading
   */
  take(maxBytes: number): Batch | undefined;
  onReady: () => void;
  /** Where the reading is. */
  readonly position: Position | undefined;
  /** How many events it is behind the newest, as far as is known; Infinity where the log has become another. */
  readonly lag: number;
  /** It has been live, and is further behind than the view allows. */
  readonly isBehind: boolean;
  /** It was stopped: nothing will come. */
  readonly isOver: boolean;
  /** How a resume goes, once the store has answered: where all that came is hidden, nothing has been taken yet. */
  readonly outcome: "resumed" | "gap" | undefined;
  stop(): void;
}

/** How a reader sees its channel. */
export interface View {
  readonly lens?: Lens | undefined;
  /** How many events a reader that has been live may be behind the newest. */
  readonly maxLag?: number | undefined;
  /** A reader that is further behind goes on with the newest event, and a gap says so. */
  readonly skips?: boolean | undefined;
}

/** What a reader needs of its hub: the same for all of them. */
export interface ReaderContext {
  readonly replays: Replays;
  /** Whether a store that fails is waited for, or ends the reader. */
  readonly whenStoreFails: "wait" | "end";
  readonly onStop: (reader: Reader, channel: string, feed: Feed) => void;
}

/**
 * One reader of a channel: a cursor, and no queue. Within the feed's run it takes what is there; behind it, it reads the
 * store; and since both are the same log at the same positions, going from one to the other can neither lose nor repeat.
 */
export class Reader implements Reading, Follower {
  onReady: () => void = nothing;
  isOver = false;
  outcome: "resumed" | undefined = undefined;

  readonly #channel: string;
  readonly #feed: Feed;
  readonly #context: ReaderContext;
  readonly #view: View;
  #cursor: Start;
  /** The number of the next segment, while the reader is within the run. */
  #place: number | undefined = undefined;
  #isLive = false;
  /** What the store has answered, and was not taken yet. */
  #replayed: Replay | undefined = undefined;
  /** While the store is read, or waited for. */
  #replaying: AbortController | undefined = undefined;
  /** How many replays in a row have brought a gap and nothing else. */
  #gaps = 0;
  #failure: { readonly error: unknown } | undefined = undefined;
  /** Ends the wait for a feed that is not there yet. */
  #interrupt: () => void = nothing;

  constructor(channel: string, feed: Feed, context: ReaderContext, start: Start, view: View) {
    this.#channel = channel;
    this.#feed = feed;
    this.#context = context;
    this.#cursor = start;
    this.#view = view;
    feed.follow(this);
  }

  get position(): Position | undefined {
    return typeof this.#cursor === "string" && this.#cursor !== "tail" && this.#cursor !== "start"
      ? this.#cursor
      : undefined;
  }

  get lag(): number {
    if (this.#place !== undefined && this.#place >= this.#feed.nextPlace) return 0;
    return this.position === undefined ? 0 : this.#feed.lagOf(this.position);
  }

  get isBehind(): boolean {
    const { maxLag } = this.#view;
    if (maxLag === undefined || !this.#isLive) return false;
    // Without a look at ids, where the run tells.
    if (this.#place !== undefined && this.#feed.nextPlace - this.#place <= maxLag) return false;
    return this.lag > maxLag;
  }

  take(maxBytes: number): Batch | undefined {
    while (!this.isOver) {
      if (this.#failure !== undefined) throw this.#failure.error;
      if (this.#view.skips === true && this.isBehind) {
        const skipped = this.#skip();
        if (skipped !== undefined) return skipped;
      }
      if (this.#replayed !== undefined) {
        const batch = this.#takeReplayed(this.#replayed, maxBytes);
        if (batch.last === undefined) continue;
        return batch;
      }
      if (this.#replaying !== undefined) return undefined;
      this.#place ??= this.#findPlace();
      if (this.#place === undefined) {
        void this.#replay(maxBytes);
        return undefined;
      }
      const batch = this.#takeFromRun(this.#place, maxBytes);
      if (batch !== undefined) return batch;
      // It has read all there is; or it has fallen behind the run, and has no place any more.
      if (this.#place !== undefined) return undefined;
    }
    return undefined;
  }

  /**
   * How it begins, before anything has been taken; undefined while that is not known. `onReady` is called when it is.
   *
   * @param maxBytes as will be taken
   * @throws as `take` does
   */
  beginning(maxBytes: number): Beginning | undefined {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#replayed !== undefined) return beginningOf(this.#replayed.batch.from, this.#replayed.batch.segments);
    if (this.isOver || this.#replaying !== undefined) return undefined;
    this.#place ??= this.#findPlace();
    const beginning = this.#place === undefined ? undefined : this.#feed.beginningAt(this.#place);
    if (beginning !== undefined) {
      // It begins there, whatever is let go or comes before something is taken; but a gap has yet to be told.
      if (beginning.gap === undefined) this.#cursor = beginning.from;
      return beginning;
    }
    this.#place = undefined;
    void this.#replay(maxBytes);
    return undefined;
  }

  stop(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#replaying?.abort();
    this.#feed.unfollow(this);
    this.#context.onStop(this, this.#channel, this.#feed);
    this.onReady();
  }

  onNews(): void {
    this.#interrupt();
    this.onReady();
  }

  #takeFromRun(place: number, maxBytes: number): Batch | undefined {
    const feed = this.#feed;
    const { lens } = this.#view;
    if (place === feed.nextPlace && this.#isLive) return undefined;
    const batch = lens === undefined ? feed.take(place, maxBytes) : this.#lookAt(lens, place, maxBytes);
    if (batch === undefined) {
      this.#place = undefined;
      return undefined;
    }
    if (lens === undefined && batch.last !== undefined) {
      this.#place = place + batch.count;
      this.#cursor = batch.last.position;
    }
    if (batch.last !== undefined) return batch;
    if (this.#isLive || feed.position === undefined) return undefined;
    this.#isLive = true;
    this.#cursor = feed.position;
    return feed.live;
  }

  /** As `feed.take`, of what this reader sees; it may be nothing of much. */
  #lookAt(lens: Lens, place: number, maxBytes: number): Batch | undefined {
    const waiting = this.#feed.from(place);
    if (waiting === undefined) return undefined;
    const from = this.#feed.positionAt(place);
    const { segments, consumed } = lens.look(waiting, maxBytes, none);
    this.#place = place + consumed;
    const last = waiting[consumed - 1];
    if (last !== undefined) this.#cursor = last.position;
    return new SegmentBatch(segments, from);
  }

  #takeReplayed({ batch, next }: Replay, maxBytes: number): Batch {
    const { lens } = this.#view;
    const waiting = batch.segments;
    const seen = lens?.look(waiting, maxBytes, () => this.#feed.after(next));
    const isAll = seen === undefined || seen.consumed === waiting.length;
    this.#cursor = isAll ? next : (waiting[seen.consumed - 1] as Segment).position;
    this.#replayed = isAll
      ? undefined
      : { batch: new SegmentBatch(waiting.slice(seen.consumed), this.#cursor, true), next };
    return seen === undefined ? batch : new SegmentBatch(seen.segments, batch.from, true);
  }

  /** A gap, and the reader is before the newest event. */
  #skip(): Batch | undefined {
    const { newest } = this.#feed;
    if (newest === undefined) return undefined;
    this.#replaying?.abort();
    this.#replaying = undefined;
    this.#replayed = undefined;
    this.#place = newest.place;
    this.#cursor = newest.before;
    return new SegmentBatch([gapSegment(this.#channel, "skipped", newest.before)], newest.before);
  }

  #findPlace(): number | undefined {
    const feed = this.#feed;
    if (feed.position === undefined) return undefined;
    if (typeof this.#cursor === "object") return feed.placeOfLast(this.#cursor.last);
    return feed.placeOf(this.#cursor === "tail" ? feed.position : this.#cursor);
  }

  /** Reads the store until there is something, or the feed has a place for the reader. */
  async #replay(maxBytes: number): Promise<void> {
    const feed = this.#feed;
    const { whenStoreFails } = this.#context;
    const replaying = new AbortController();
    this.#replaying = replaying;
    const { signal } = replaying;
    for (let failures = 0, hasReadAgain = false; !signal.aborted;) {
      const before = feed.position;
      try {
        const replay = await this.#read(maxBytes, signal);
        failures = 0;
        this.outcome = "resumed";
        const { hasGap, events } = replay.batch;
        this.#gaps = hasGap && events === 0 ? this.#gaps + 1 : 0;
        await afterGaps(this.#gaps, signal);
        if (signal.aborted) break;
        if (replay.batch.last === undefined) this.#cursor = replay.next;
        else this.#replayed = replay;
        if (this.#replayed !== undefined) break;
      } catch (error) {
        if (signal.aborted) break;
        if (whenStoreFails === "end") {
          this.#failure = { error };
          break;
        }
        await sleep(backoff(failures++), signal);
        continue;
      }
      // All that was stored has been read, and the feed is not there yet; or it has come further meanwhile.
      if (this.#findPlace() !== undefined || feed.position !== before) break;
      // Or a read that was shared has begun before the feed came to where it is.
      if (before !== undefined && !hasReadAgain) {
        hasReadAgain = true;
        continue;
      }
      feed.wake();
      await this.#untilNews(LAG, signal);
    }
    if (this.#replaying === replaying) this.#replaying = undefined;
    if (!this.isOver) this.onReady();
  }

  async #read(maxBytes: number, signal: AbortSignal): Promise<Replay> {
    const { replays } = this.#context;
    const channel = this.#channel;
    const cursor = this.#cursor;
    const from = typeof cursor === "object" ? await replays.positionOfLast(channel, cursor.last, signal) : cursor;
    return replays.read(channel, from, maxBytes, signal, this.#feed.position);
  }

  #untilNews(within: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#interrupt = nothing;
        stopTimer();
        signal.removeEventListener("abort", done);
        resolve();
      };
      const stopTimer = startTimer(within, done);
      this.#interrupt = done;
      signal.addEventListener("abort", done);
    });
  }
}

function nothing(): void {}

function none(): readonly Segment[] {
  return [];
}

/** How long a reader that is ahead of its feed waits before it looks again, in ms. */
const LAG = 1000;
