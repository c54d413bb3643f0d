import { SluiceError, show } from "./errors.ts";
import { Feed } from "./feed.ts";
import type { FeedContext } from "./feed.ts";
import { nextTurn, startTimer } from "./timer.ts";
import { eachInTurn, isTurnOver } from "./turns.ts";

/** A channel that somebody reads, or has read lately. */
interface Live {
  readonly feed: Feed;
  readers: number;
}

/**
 * The feeds of a hub: one for each channel that somebody reads. A channel whose last reader has left lingers for a while, so
 * that a client that comes back finds what it missed at hand.
 */
export class LiveChannels {
  readonly #context: FeedContext;
  readonly #max: number;
  /** In ms. */
  readonly #linger: number;
  readonly #live = new Map<string, Live>();
  /** Until when channels linger, in the order in which their last readers left. */
  readonly #lingering = new Map<string, number>();
  #stopTimer: (() => void) | undefined = undefined;

  constructor(context: FeedContext, max: number, linger: number) {
    this.#context = context;
    this.#max = max;
    this.#linger = linger;
  }

  get size(): number {
    return this.#live.size;
  }

  get names(): readonly string[] {
    return [...this.#live.keys()];
  }

  feedOf(channel: string): Feed | undefined {
    return this.#live.get(channel)?.feed;
  }

  /**
   * The channel's feed, for one reader more.
   *
   * @throws {SluiceError} `too-large` where as many as may be are read already
   */
  enter(channel: string): Feed {
    const live = this.#live.get(channel) ?? this.#start(channel);
    live.readers++;
    this.#lingering.delete(channel);
    return live.feed;
  }

  leave(channel: string, feed: Feed): void {
    const live = this.#live.get(channel);
    // After stop(), another of that name may have come.
    if (live?.feed !== feed || --live.readers > 0) return;
    this.#lingering.set(channel, performance.now() + this.#linger);
    if (this.#lingering.size > MAX_LINGERING) this.#letGoOfOldest();
    this.#stopTimer ??= startTimer(this.#linger, this.#letGo);
  }

  async stop(): Promise<void> {
    this.#stopTimer?.();
    this.#lingering.clear();
    const feeds = [...this.#live.values()].map(({ feed }) => feed);
    this.#live.clear();
    await eachInTurn(feeds, (feed) => feed.stop());
  }

  #start(channel: string): Live {
    if (this.#live.size >= this.#max && !this.#letGoOfOldest()) throw tooMany(channel, this.#max);
    const live = { feed: new Feed(channel, this.#context), readers: 0 };
    this.#live.set(channel, live);
    return live;
  }

  /** @returns whether one was lingering */
  #letGoOfOldest(): boolean {
    for (const channel of this.#lingering.keys()) {
      this.#end(channel);
      return true;
    }
    return false;
  }

  /** Ends those that have lingered long enough; of many, as many as there is time for, and the others soon. */
  readonly #letGo = (): void => {
    const now = performance.now();
    this.#stopTimer = undefined;
    let ended = 0;
    for (const [channel, until] of this.#lingering) {
      if (until > now) {
        this.#stopTimer = startTimer(until - now, this.#letGo);
        return;
      }
      this.#end(channel);
      if (++ended % 16 === 0 && isTurnOver()) return nextTurn(this.#letGo);
    }
  };

  #end(channel: string): void {
    this.#lingering.delete(channel);
    this.#live.get(channel)?.feed.stop();
    this.#live.delete(channel);
  }
}

/** How many channels linger, at the most: each costs some 4 KB, and a client may visit as many names as it likes. */
const MAX_LINGERING = 5000;

function tooMany(channel: string, max: number): SluiceError {
  return new SluiceError(
    "too-large",
    `Cannot read channel ${show(channel)}: maxLiveChannels (${max}) others are being read; raise the limit`,
    { option: "maxLiveChannels" },
  );
}
