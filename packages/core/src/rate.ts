import { SluiceError } from "./errors.ts";

/** How much of a channel's rate is used up, and since when. */
interface Bucket {
  events: number;
  at: number;
}

/**
 * Limits how many events a second each channel takes, on average: a second's worth may come at once. What it keeps of a
 * channel is gone a second after its last event.
 */
export class PublishRate {
  readonly #perSecond: number;
  /** In the order in which they were last used. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** @throws {SluiceError} `rate-limited`, or `too-large` for more events than a second's worth */
  take(channel: string, events: number): void {
    const limit = this.#perSecond;
    if (events > limit) {
      throw new SluiceError(
        "too-large",
        `Cannot publish: ${events} events at once are more than maxPublishRate (${limit}); split them`,
        { option: "maxPublishRate" },
      );
    }
    const now = performance.now();
    this.#forgetEmpty(now);
    const used = this.#left(this.#buckets.get(channel), now);
    if (used + events > limit) {
      const retryAfter = Math.ceil(((used + events - limit) * 1000) / limit);
      throw new SluiceError(
        "rate-limited",
        `Cannot publish: channel takes maxPublishRate (${limit}) events a second; publish again in ${retryAfter} ms`,
        { option: "maxPublishRate", retryAfter },
      );
    }
    this.#buckets.delete(channel);
    this.#buckets.set(channel, { events: used + events, at: now });
  }

  #left(bucket: Bucket | undefined, now: number): number {
    return bucket === undefined ? 0 : Math.max(0, bucket.events - ((now - bucket.at) * this.#perSecond) / 1000);
  }

  /** Those that were used a second ago have emptied since. */
  #forgetEmpty(now: number): void {
    for (const [channel, { at }] of this.#buckets) {
      if (now - at < 1000) return;
      this.#buckets.delete(channel);
    }
  }
}
