import type { Cursor, EventStore, Position, Slice, StoredEvent } from "./event-store.ts";
import { parseEventId } from "./cursor.ts";
import { keepLatest } from "./latest.ts";
import { ReadTurns } from "./read-turns.ts";
import { SegmentBatch, segmentsOf } from "./segment.ts";
import type { Batch } from "./segment.ts";
import { afterGaps } from "./timer.ts";
import { Pace } from "./turns.ts";
import { weakly } from "./weak.ts";

/** What a read of the store found, encoded. */
export interface Replay {
  readonly batch: Batch;
  readonly next: Position;
}

/** A replay that others may be given, as long as somebody has it. */
interface Recent {
  /** A key of the read: its channel, cursor and size. */
  readonly asked: string;
  /** A key of the answer: its positions, its gap and the number of its events. */
  readonly found: string;
  readonly batch: () => Batch | undefined;
  /** What the store returned. */
  readonly events: () => readonly StoredEvent[] | undefined;
  readonly next: Position;
  /** When it was read, in the time of `performance.now()`. */
  readonly at: number;
  /** Nothing more was stored. */
  readonly upToDate: boolean;
}

/** One read for all who ask for the same at the same time. */
interface Shared<Result> {
  readonly result: Promise<Result>;
  readonly stop: AbortController;
  /** How many wait for it; once all have left, it is given up. */
  waiting: number;
}

/**
 * Reads the store for readers that are behind the run. Those at the same cursor share one read and its bytes, also where they
 * ask one after another, and no more than `maxReads` run at once: a crowd that comes back costs the store no more than a few.
 */
export class Replays {
  readonly #store: EventStore;
  readonly #onError: (error: unknown) => void;
  readonly #turns: ReadTurns;
  readonly #replays = new Map<string, Shared<Replay>>();
  readonly #starts = new Map<string, Shared<Position>>();
  /** The latest replays, the oldest first. */
  readonly #recent: Recent[] = [];

  constructor(store: EventStore, maxReads: number, onError: (error: unknown) => void) {
    this.#store = store;
    this.#turns = new ReadTurns(maxReads);
    this.#onError = onError;
  }

  /** @param head the end of the log, as far as the feed knows it */
  read(
    channel: string,
    cursor: Cursor,
    maxBytes: number,
    signal: AbortSignal,
    head: Position | undefined,
  ): Promise<Replay> {
    const key = JSON.stringify([channel, cursor, maxBytes]);
    const recent = this.#recent.find(({ asked }) => asked === key);
    const known = recent !== undefined && isCurrent(recent, head) ? recent.batch() : undefined;
    if (recent !== undefined && known !== undefined) return Promise.resolve({ batch: known, next: recent.next });
    return this.#share(this.#replays, key, signal, async (stopped) => {
      const slice = await this.#read(channel, cursor, stopped, maxBytes);
      return { batch: this.#batchOf(channel, slice, key), next: slice.next };
    });
  }

  /** Cursors that differ may have found the same: a client can make up as many as it likes. */
  #batchOf(channel: string, slice: Slice, asked: string): Batch {
    const { from, next, gap, events, closed, upToDate } = slice;
    const found = JSON.stringify({ channel, from, next, gap, events: events.length, closed });
    const former = this.#recent.findLast((recent) => recent.found === found);
    let batch = former?.batch();
    if (batch === undefined || !areEqual(events, former?.events())) {
      let isWhole = true;
      const onUnreadable = (error: unknown): void => {
        isWhole = false;
        this.#onError(error);
      };
      batch = new SegmentBatch(segmentsOf(channel, slice, onUnreadable), from, true);
      // The store may have been wrong only now.
      if (!isWhole) return batch;
    }
    const at = performance.now();
    const recent = { asked, found, batch: weakly(batch), events: weakly(events), next, upToDate, at };
    keepLatest(this.#recent, recent, (other) => other.asked === asked, MAX_RECENT);
    return batch;
  }

  /** The position behind which there are `count` events, or the start where there are fewer. */
  positionOfLast(channel: string, count: number, signal: AbortSignal): Promise<Position> {
    return this.#share(this.#starts, JSON.stringify([channel, count]), signal, async (stopped) => {
      let slice = await this.#read(channel, "start", stopped);
      let positions: Position[] = [slice.from];
      for (let pace = new Pace(), gaps = 0; ;) {
        gaps = slice.gap === undefined ? 0 : gaps + 1;
        await afterGaps(gaps, stopped);
        if (pace.isOver(1 + slice.events.length)) await pace.nextTurn();
        if (slice.gap !== undefined) positions = [slice.from];
        positions.push(...slice.events.map(({ id }) => id));
        positions = positions.slice(-count - 1);
        if (slice.upToDate) return positions[0] as Position;
        slice = await this.#read(channel, slice.next, stopped);
      }
    });
  }

  /** Rejects when the signal aborts, or when the read fails: `onError` is then told once. */
  #share<Result>(
    known: Map<string, Shared<Result>>,
    key: string,
    signal: AbortSignal,
    run: (stopped: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    const shared = known.get(key) ?? this.#start(run);
    const forget = (): void => {
      if (known.get(key) === shared) known.delete(key);
    };
    if (shared.waiting++ === 0) {
      known.set(key, shared);
      shared.result.then(forget, forget);
    }
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        reject(signal.reason);
        if (--shared.waiting > 0) return;
        forget();
        shared.stop.abort();
      };
      const stay = (): void => signal.removeEventListener("abort", leave);
      signal.addEventListener("abort", leave);
      shared.result.finally(stay).then(resolve, reject);
    });
  }

  #start<Result>(run: (stopped: AbortSignal) => Promise<Result>): Shared<Result> {
    const stop = new AbortController();
    const result = run(stop.signal).catch((error: unknown) => {
      if (!stop.signal.aborted) this.#onError(error);
      throw error;
    });
    return { result, stop, waiting: 0 };
  }

  /** A read of its own turn: who reads on and on has no more of them than others. */
  #read(channel: string, cursor: Cursor, stopped: AbortSignal, maxBytes?: number): Promise<Slice> {
    return this.#turns.run(channel, stopped, () => this.#store.read(channel, cursor, { maxBytes, signal: stopped }));
  }
}

/** A read would find the same: nothing was stored since, or this was not all there was, and the log has not become another. */
function isCurrent({ next, upToDate, at }: Recent, head: Position | undefined): boolean {
  if (head === undefined || performance.now() - at > RECENT) return false;
  return next === head || (!upToDate && epochOf(next) === epochOf(head));
}

function epochOf(position: Position): string | undefined {
  return parseEventId(position)?.epoch;
}

/** The same data, that is: names and keys belong to it. */
function areEqual(events: readonly StoredEvent[], others: readonly StoredEvent[] | undefined): boolean {
  return others !== undefined && events.every(({ data }, i) => data === others[i]?.data);
}

/** How many replays are remembered to be shared, and for how long without another read, in ms. */
const MAX_RECENT = 16;
const RECENT = 1000;
