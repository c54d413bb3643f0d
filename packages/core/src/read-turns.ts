/**
 * Lets a few reads of the store run at once, and the channels take turns: a channel whose reads hang holds no more than half
 * of the turns, and those of others come first where it has some already.
 */
export class ReadTurns {
  readonly #most: number;
  readonly #mostOfChannel: number;
  #running = 0;
  readonly #runningOf = new Map<string, number>();
  /** By channel, those who wait. Each is waited for by a reader at least, so that there are at most as many as readers. */
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(most: number) {
    this.#most = most;
    this.#mostOfChannel = Math.ceil(most / 2);
  }

  /** Rejects without a read where the signal aborts before its turn. */
  async run<Result>(channel: string, stopped: AbortSignal, read: () => Promise<Result>): Promise<Result> {
    await this.#turn(channel, stopped);
    try {
      stopped.throwIfAborted();
      return await read();
    } finally {
      this.#end(channel);
    }
  }

  #turn(channel: string, stopped: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(channel) ?? new Set();
      const leave = (): void => {
        this.#forget(channel, take);
        reject(stopped.reason);
      };
      const take = (): void => {
        stopped.removeEventListener("abort", leave);
        resolve();
      };
      this.#waiting.set(channel, waiting.add(take));
      stopped.addEventListener("abort", leave);
      this.#admit();
    });
  }

  #end(channel: string): void {
    this.#running--;
    const left = (this.#runningOf.get(channel) ?? 1) - 1;
    if (left === 0) this.#runningOf.delete(channel);
    else this.#runningOf.set(channel, left);
    this.#admit();
  }

  #admit(): void {
    while (this.#running < this.#most) {
      const channel = this.#next();
      if (channel === undefined) return;
      const [take] = this.#waiting.get(channel) ?? [];
      if (take === undefined) return;
      this.#forget(channel, take);
      this.#running++;
      this.#runningOf.set(channel, (this.#runningOf.get(channel) ?? 0) + 1);
      take();
    }
  }

  /** Of the channels for which somebody waits, the one with the fewest reads: those that waited longest come first. */
  #next(): string | undefined {
    let next: string | undefined;
    let fewest = this.#mostOfChannel;
    for (const channel of this.#waiting.keys()) {
      const running = this.#runningOf.get(channel) ?? 0;
      if (running === 0) return channel;
      if (running >= fewest) continue;
      next = channel;
      fewest = running;
    }
    return next;
  }

  /** A channel that has had its turn goes behind the others. */
  #forget(channel: string, take: () => void): void {
    const waiting = this.#waiting.get(channel);
    waiting?.delete(take);
    this.#waiting.delete(channel);
    if (waiting !== undefined && waiting.size > 0) this.#waiting.set(channel, waiting);
  }
}
