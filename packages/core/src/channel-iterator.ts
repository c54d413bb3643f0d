import { AbortListener, stopWhenAbandoned } from "./abandoned.ts";
import type { Reading } from "./reader.ts";
import type { Batch, ChannelItem, Segment } from "./segment.ts";
import { Pace } from "./turns.ts";

/** The most that one step of `read()` takes at once, in bytes. */
const READ_BYTES = 65_536;

/** Of all loops, since one may begin again and again. */
const pace = new Pace();

// Not a generator: its return() would wait for the next event.
export class ChannelIterator implements AsyncIterableIterator<ChannelItem, undefined, undefined> {
  readonly #open: () => Reading;
  /** From the first `next()` on: what is never iterated holds nothing. */
  #reading: Reading | undefined = undefined;
  #listener: AbortListener | undefined = undefined;
  #isFinished = false;
  readonly #signal: AbortSignal | undefined;
  /** What was taken last; the next one is at `#at`. */
  #segments: readonly Segment[] = [];
  #at = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(open: () => Reading, signal: AbortSignal | undefined) {
    this.#signal = signal;
    this.#open = open;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Calls that overlap are answered in order. */
  next(): Promise<IteratorResult<ChannelItem, undefined>> {
    const result = this.#turn.then(() => this.#next());
    this.#turn = result.catch(() => {});
    return result;
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#finish();
    return { done: true, value: undefined };
  }

  async #next(): Promise<IteratorResult<ChannelItem, undefined>> {
    try {
      if (pace.isOver()) await pace.nextTurn();
      this.#signal?.throwIfAborted();
      if (this.#at === this.#segments.length) await this.#refill();
    } catch (error) {
      this.#finish();
      throw error;
    }
    const segment = this.#segments[this.#at++];
    if (segment === undefined || segment.type === "end") this.#finish();
    return segment === undefined ? { done: true, value: undefined } : { done: false, value: segment.item };
  }

  /** Leaves nothing where nothing will come. */
  async #refill(): Promise<void> {
    this.#segments = [];
    this.#at = 0;
    if (this.#isFinished) return;
    const batch = await this.#take((this.#reading ??= this.#begin()));
    this.#signal?.throwIfAborted();
    if (batch !== undefined && !this.#isFinished) this.#segments = batch.segments;
  }

  #begin(): Reading {
    const reading = this.#open();
    stopWhenAbandoned(this, reading);
    if (this.#signal !== undefined) this.#listener = new AbortListener(this.#signal, this);
    return reading;
  }

  /** Waits until there is something; undefined when nothing will come. */
  async #take(reading: Reading): Promise<Batch | undefined> {
    for (;;) {
      const batch = reading.take(READ_BYTES);
      if (batch !== undefined || reading.isOver) return batch;
      this.#listener?.hold();
      await new Promise<void>((resolve) => {
        reading.onReady = resolve;
      });
      this.#listener?.letGo();
    }
  }

  onAbort(): void {
    this.#finish();
  }

  #finish(): void {
    this.#isFinished = true;
    this.#segments = [];
    this.#at = 0;
    this.#listener?.stop();
    this.#reading?.stop();
  }
}
