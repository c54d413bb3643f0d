import type { Reading } from "./reader.ts";
import type { Batch, ChannelItem } from "./segment.ts";

/** The most that one step of `read()` takes at once, in bytes. */
const READ_BYTES = 65_536;

// Not a generator: its return() would wait for the next event.
export class ChannelIterator implements AsyncIterableIterator<ChannelItem, undefined, undefined> {
  readonly #open: () => Reading;
  /** From the first `next()` on: what is never iterated holds nothing. */
  #reading: Reading | undefined = undefined;
  #isFinished = false;
  readonly #signal: AbortSignal | undefined;
  #items: ChannelItem[] = [];
  #turn: Promise<unknown> = Promise.resolve();

  constructor(open: () => Reading, signal: AbortSignal | undefined) {
    this.#signal = signal;
    this.#open = open;
    if (signal?.aborted === true) this.#finish();
    else signal?.addEventListener("abort", this.#finish, { once: true });
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
    this.#signal?.throwIfAborted();
    if (this.#items.length === 0) {
      if (this.#isFinished) return { done: true, value: undefined };
      this.#reading ??= this.#open();
      const batch = await this.#take(this.#reading);
      this.#signal?.throwIfAborted();
      if (batch === undefined) return { done: true, value: undefined };
      this.#items = batch.segments.map(({ item }) => item);
    }
    const item = this.#items.shift() as ChannelItem;
    if (item.type === "end") {
      this.#items = [];
      this.#finish();
    }
    return { done: false, value: item };
  }

  /** Waits until there is something; undefined when nothing will come. */
  async #take(reading: Reading): Promise<Batch | undefined> {
    for (;;) {
      const batch = reading.take(READ_BYTES);
      if (batch !== undefined || reading.isOver) return batch;
      await new Promise<void>((resolve) => {
        reading.onReady = resolve;
      });
    }
  }

  readonly #finish = (): void => {
    this.#isFinished = true;
    this.#signal?.removeEventListener("abort", this.#finish);
    this.#reading?.stop();
  };
}
