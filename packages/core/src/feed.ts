import { lastFor } from "./bisect.ts";
import { parseEventId } from "./cursor.ts";
import type { EventStore, Position, Slice } from "./event-store.ts";
import { keepLatest } from "./latest.ts";
import { Run } from "./run.ts";
import { beginningOf, liveSegment, SegmentBatch, segmentsOf } from "./segment.ts";
import type { Batch, Beginning, Segment } from "./segment.ts";
import { afterGaps, backoff, nextTurn, sleep } from "./timer.ts";
import { isTurnOver, Pace } from "./turns.ts";

/** What a feed needs of its hub. */
export interface FeedContext {
  readonly store: EventStore;
  /** The most bytes of encoded segments that one channel keeps at hand. */
  readonly runBytes: number;
  readonly onError: (error: unknown) => void;
}

// The words, from the log to the wire. A log's events have numbers, `seq`, and with epoch and tag these are their ids. A
// position is the id of an event, and means the place behind it; a cursor is a position that somebody holds. A store
// gives a slice: events from a position on. An event, a gap or the end is an item; a segment is an item and its bytes; a
// batch is segments that are written together. The run is the newest segments, and a place is an index into it.

/** A batch of the run, for all readers that are at its place. */
interface SharedBatch {
  readonly from: number;
  /** The number of the segment that was to come next when it was made. */
  readonly to: number;
  /** It is as large as may be: what comes later does not belong to it. */
  readonly isCut: boolean;
  readonly maxBytes: number;
  readonly batch: Batch;
}

/** Who is told that a feed has something new. */
export interface Follower {
  onNews(): void;
}

/**
 * A channel that somebody reads, in this process: one doorbell, one read loop, and the run, the newest segments of the
 * log. Readers hold an index into it. Segments are numbered on and on; those over `runBytes` are let go, and whoever has
 * not read them goes on from the store.
 */
export class Feed {
  /** Where the run ends: undefined until the store has said it. */
  position: Position | undefined = undefined;

  readonly #channel: string;
  readonly #context: FeedContext;
  readonly #stop = new AbortController();
  #run: Run;
  /** From this number on, the positions of the run are of one log, without a gap. */
  #unbroken = 0;
  #ended = false;
  /** What readers at the same place share, the oldest first. */
  readonly #shared: SharedBatch[] = [];
  #live: Batch | undefined = undefined;

  /** The loop waits for the bell, and has read all that it knows of. */
  #idle = false;
  #rung = false;
  #wakeLoop: (() => void) | undefined = undefined;

  readonly #followers = new Set<Follower>();
  /** Goes through the followers, while they are told; it takes more than one turn where they are many. */
  #round: Iterator<Follower> | undefined = undefined;
  /** There is more to tell than when the round began. */
  #hasMore = false;

  constructor(channel: string, context: FeedContext) {
    this.#channel = channel;
    this.#context = context;
    this.#run = new Run(channel, context.runBytes, "origin");
    void this.#loop();
  }

  /** Nothing will follow, unless the channel is dropped. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The number of the segment that will come next. */
  get nextPlace(): number {
    return this.#run.next;
  }

  /** The number of the segment that follows the position; undefined where the run does not tell. */
  placeOf(position: Position): number | undefined {
    if (this.position === undefined) return undefined;
    const first = Math.max(this.#unbroken, this.#run.first);
    // Whoever is at the end's position has yet to be told of it.
    const last = this.#run.typeOf(this.nextPlace - 1) === "end" ? this.nextPlace - 1 : this.nextPlace;
    // What comes before all others sorts as it likes.
    const place = position === "origin" ? first : lastFor(first, last, (at) => this.positionAt(at) <= position);
    return this.positionAt(place) === position ? place : undefined;
  }

  /** The number from which on there are `count` events; undefined where the run has fewer. */
  placeOfLast(count: number): number | undefined {
    let place = this.nextPlace;
    for (let left = count; left > 0; place--) {
      const type = this.#run.typeOf(place - 1);
      // What is before a gap may be of a log that is gone, and is for those alone who were reading it.
      if (type === undefined || type === "gap") return undefined;
      if (type === "event") left--;
    }
    return place;
  }

  /** From number `from` on as many segments as `maxBytes` allow, and at least one; undefined where they have been let go. */
  take(from: number, maxBytes: number): Batch | undefined {
    if (from < this.#run.first) return undefined;
    const shared = this.#shared.find((batch) => batch.from === from);
    if (shared?.maxBytes === maxBytes && (shared.isCut || shared.to === this.nextPlace)) return shared.batch;
    const batch = this.#run.take(from, maxBytes);
    const isCut = batch.last?.type !== "end" && from + batch.count < this.nextPlace;
    const made = { from, to: this.nextPlace, isCut, maxBytes, batch };
    keepLatest(this.#shared, made, (other) => other.from === from, SHARED);
    return batch;
  }

  /** How a reader at a place begins; undefined where what is there has been let go. */
  beginningAt(place: number): Beginning | undefined {
    if (place < this.#run.first) return undefined;
    const isGap = this.#run.typeOf(place) === "gap";
    return beginningOf(this.positionAt(place), isGap ? this.#run.segmentsFrom(place) : []);
  }

  /** That a reader has come to the end of the run; the same for all who have. */
  get live(): Batch {
    const position = this.position as Position;
    if (this.#live?.from !== position) this.#live = new SegmentBatch([liveSegment(position)], position);
    return this.#live;
  }

  /** The segments from number `from` on; undefined where the first of them have been let go. */
  from(from: number): readonly Segment[] | undefined {
    return from < this.#run.first ? undefined : this.#run.segmentsFrom(from);
  }

  /** The segments of the run that follow a position of the same log; none where the run does not follow it. */
  after(position: Position): readonly Segment[] {
    const place = this.placeOf(position);
    if (place !== undefined) return this.from(place) ?? [];
    const { first } = this.#run;
    return isBefore(position, this.positionAt(first)) ? this.#run.segmentsFrom(first) : [];
  }

  /** The newest event of the run, and the position that it follows. */
  get newest(): { readonly place: number; readonly before: Position } | undefined {
    const place = this.placeOfLast(1);
    if (place === undefined) return undefined;
    return { place, before: this.positionAt(place) };
  }

  /** The position that the segment of this number follows. */
  positionAt(place: number): Position {
    return this.#run.positionAt(place);
  }

  /** How many events the position is behind the newest; Infinity where it is of another log. */
  lagOf(position: Position): number {
    if (this.position === undefined || position === this.position) return 0;
    const [own, its] = [parseEventId(this.position), parseEventId(position)];
    if (own === undefined || (its !== undefined && its.epoch !== own.epoch)) return Infinity;
    return Math.max(0, own.seq - (its?.seq ?? 0));
  }

  /** Tells of all that is new, from then on. */
  follow(follower: Follower): void {
    this.#followers.add(follower);
  }

  unfollow(follower: Follower): void {
    this.#followers.delete(follower);
  }

  /** Makes the loop look into the store: it may have missed a bell. */
  wake(): void {
    this.#rung = true;
    this.#wakeLoop?.();
  }

  stop(): void {
    this.#stop.abort();
    this.wake();
  }

  /** The one read loop of the channel: register the doorbell, read from the position, wait for the bell, read again. */
  async #loop(): Promise<void> {
    const { store, onError } = this.#context;
    const { signal } = this.#stop;
    let isWatched = false;
    const pace = new Pace();
    for (let failures = 0, gaps = 0, vain = 0; !signal.aborted;) {
      try {
        if (!isWatched) {
          await store.watch(this.#channel, this.#ring, signal);
          isWatched = true;
        }
        this.#rung = false;
        if (this.position === undefined) this.#begin(await store.read(this.#channel, "tail", { signal }));
        const slice = await store.read(this.#channel, this.position as Position, { signal });
        if (signal.aborted) return;
        failures = 0;
        this.#append(slice);
        // A store whose every read rings the bell would be read for ever.
        vain = slice.upToDate && slice.events.length === 0 && slice.gap === undefined ? vain + 1 : 0;
        if (this.#rung && vain > MOST_IN_VAIN) await sleep(PAUSE, signal);
        if (pace.isOver(1 + slice.events.length)) await pace.nextTurn();
        // The position behind a gap is the store's own word: a store that does not keep to it is not asked without end.
        gaps = slice.gap === undefined ? 0 : gaps + 1;
        await afterGaps(gaps, signal);
        if (slice.upToDate) await this.#untilRung();
      } catch (error) {
        if (signal.aborted) return;
        onError(error);
        await sleep(backoff(failures++), signal);
      }
    }
  }

  #untilRung(): Promise<void> {
    if (this.#rung) return Promise.resolve();
    this.#idle = true;
    return new Promise((resolve) => {
      this.#wakeLoop = (): void => {
        this.#wakeLoop = undefined;
        this.#idle = false;
        resolve();
      };
    });
  }

  readonly #ring = (hint?: Slice): void => {
    if (this.#stop.signal.aborted) return;
    try {
      if (this.#continues(hint)) return this.#append(hint);
    } catch (error) {
      // A hint is not worth an exception in the store's own code: reading will tell.
      this.#context.onError(error);
    }
    this.wake();
  };

  /**
   * The fast path: what was rung for continues the run, so nothing need be read. Not at the origin, which every epoch
   * has: a hint that comes late, after a drop, would tell of an epoch that is gone.
   */
  #continues(hint: Slice | undefined): hint is Slice {
    if (!this.#idle || hint === undefined || this.position === "origin") return false;
    return hint.from === this.position && hint.gap === undefined && hint.upToDate;
  }

  #begin({ next }: Slice): void {
    this.position = next;
    this.#run = new Run(this.#channel, this.#context.runBytes, next);
    this.#notify();
  }

  #append(slice: Slice): void {
    // A log that was closed is so still, and has been said to be; unless another has taken its place. Of one that was closed
    // empty no gap tells that, as all begin at the origin: who comes there is behind the end of the former.
    const isAnother = slice.gap !== undefined || (this.#ended && (!slice.closed || slice.events.length > 0));
    const hasSaidSo = this.#ended && !isAnother;
    this.#ended = slice.closed;
    // The gap's own position is that of what follows it.
    if (isAnother) this.#unbroken = slice.gap === undefined ? this.nextPlace : this.nextPlace + 1;
    // All of them before the first is added: a slice that cannot be read is read again.
    const segments = segmentsOf(this.#channel, hasSaidSo ? { ...slice, closed: false } : slice, this.#context.onError);
    for (const segment of segments) this.#run.push(segment);
    this.position = slice.next;
    if (segments.length > 0) this.#notify();
  }

  /** Not at once: what is published together is told together. */
  #notify(): void {
    if (this.#round !== undefined) {
      this.#hasMore = true;
      return;
    }
    this.#round = this.#followers.values();
    queueMicrotask(this.#tell);
  }

  readonly #tell = (): void => {
    for (let told = 1; this.#round !== undefined; told++) {
      const { done, value } = this.#round.next();
      if (done !== true) value.onNews();
      else if (this.#hasMore) this.#round = this.#followers.values();
      else this.#round = undefined;
      if (done === true) this.#hasMore = false;
      if (told % 16 === 0 && isTurnOver()) return nextTurn(this.#tell);
    }
  };
}

/**
 * How many batches are kept to be shared. What is published together may be more than one write takes, and each reader goes
 * through it at its own pace: at the defaults these are all of a run, and none of them is joined twice.
 */
const SHARED = 16;

/** After how many reads in a row that found nothing the bell is not believed at once, and for how long, in ms. */
const MOST_IN_VAIN = 8;
const PAUSE = 100;

/** Within one epoch, the order of positions is the order of strings. */
function isBefore(position: Position, other: Position): boolean {
  const epoch = position.slice(0, position.indexOf(".") + 1);
  return epoch !== "" && other.startsWith(epoch) && position <= other;
}
