import type { Cursor, EventStore, Position } from "./event-store.ts";
import { Batch } from "./feed.ts";
import { segmentsOf } from "./segment.ts";

/** What a read of the store found, encoded. */
export interface Replay {
  readonly batch: Batch;
  readonly next: Position;
}

/**
 * Reads the store for readers that are behind the run. Those at the same cursor share one read and its bytes, and no more
 * than `maxReads` run at once: a crowd that comes back costs the store no more than a few.
 */
export class Replays {
  readonly #store: EventStore;
  readonly #maxReads: number;
  readonly #onError: (error: unknown) => void;
  #running = 0;
  /** Each is one reader's, so that there are at most as many as readers. */
  readonly #queue: (() => void)[] = [];
  readonly #replays = new Map<string, Promise<Replay>>();
  readonly #starts = new Map<string, Promise<Position>>();

  constructor(store: EventStore, maxReads: number, onError: (error: unknown) => void) {
    this.#store = store;
    this.#maxReads = maxReads;
    this.#onError = onError;
  }

  read(channel: string, cursor: Cursor, maxBytes: number): Promise<Replay> {
    const key = JSON.stringify([channel, cursor, maxBytes]);
    return this.#share(this.#replays, key, async () => {
      const slice = await this.#store.read(channel, cursor, { maxBytes });
      return { batch: new Batch(segmentsOf(slice, this.#onError)), next: slice.next };
    });
  }

  /** The position behind which there are `count` events, or the start where there are fewer. */
  positionOfLast(channel: string, count: number): Promise<Position> {
    return this.#share(this.#starts, JSON.stringify([channel, count]), async () => {
      let slice = await this.#store.read(channel, "start");
      let positions: Position[] = [slice.from];
      for (;;) {
        if (slice.gap !== undefined) positions = [slice.from];
        positions.push(...slice.events.map(({ id }) => id));
        positions = positions.slice(-count - 1);
        if (slice.upToDate) return positions[0] as Position;
        slice = await this.#store.read(channel, slice.next);
      }
    });
  }

  /** One run for all who ask for the same at the same time; they all fail with it, and `onError` is told once. */
  #share<Result>(running: Map<string, Promise<Result>>, key: string, run: () => Promise<Result>): Promise<Result> {
    const known = running.get(key);
    if (known !== undefined) return known;
    const result = this.#inTurn(run)
      .catch((error: unknown) => {
        this.#onError(error);
        throw error;
      })
      .finally(() => running.delete(key));
    running.set(key, result);
    return result;
  }

  async #inTurn<Result>(run: () => Promise<Result>): Promise<Result> {
    if (this.#running >= this.#maxReads) await new Promise<void>((resolve) => this.#queue.push(resolve));
    else this.#running++;
    try {
      return await run();
    } finally {
      // The turn is handed on, not given back, while somebody waits for it.
      const next = this.#queue.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
