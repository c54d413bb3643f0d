import { LogChannel } from "./channel.ts";
import type { Channel, ChannelContext } from "./channel.ts";
import { aFunction, checkOptions, milliseconds, size } from "./check-options.ts";
import type { Rule } from "./check-options.ts";
import type { Start } from "./cursor.ts";
import { SluiceError } from "./errors.ts";
import type { EventStore, Position } from "./event-store.ts";
import { Feed } from "./feed.ts";
import type { FeedContext } from "./feed.ts";
import { callGuarded } from "./guard.ts";
import { memoryStore } from "./memory-event-store.ts";
import { Reader } from "./reader.ts";
import { Replays } from "./replays.ts";
import { startTimer, within } from "./timer.ts";

/** Options of {@link createHub}. */
export interface HubOptions {
  /** Where the channels keep their events. Default: `memoryStore()`. */
  readonly store?: EventStore | undefined;
  /** Makes text of `data` that is not a string. Default `JSON.stringify`. */
  readonly serialize?: ((data: unknown) => string) | undefined;
  /** The largest event, encoded, in bytes. Default 1 MiB. */
  readonly maxEventBytes?: number | undefined;
  /** How many bytes of newest events, with 400 for each, every channel that is read keeps encoded. Default 1 MiB. */
  readonly runBytes?: number | undefined;
  /** How many reads of the store run at once for readers that are behind. Default 8. */
  readonly maxReplayReads?: number | undefined;
  /** How often the store is asked for news that no doorbell announced, in ms; one question for all channels. Default 5,000. */
  readonly pollInterval?: number | undefined;
  /** How long a channel is kept at hand after its last reader has left, in ms. Default 30,000. */
  readonly linger?: number | undefined;
  /** Readers whose store fails `"wait"` until it answers again (the default), losing nothing, or `"end"`. */
  readonly whenStoreFails?: "wait" | "end" | undefined;
  /** Told what the store throws at read loops. Default: `console.error`. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** The channels of one process, over one store. */
export interface Hub {
  /**
   * A handle of the channel with that name; it costs nothing until somebody reads.
   *
   * @throws {SluiceError} `invalid-option` for a name that is not 1 to 256 characters without control characters
   */
  channel(name: string): Channel;
  /** Ends all readers, and the store if the hub has made it. */
  close(): Promise<void>;
}

/**
 * Creates a hub: channels that many connections read, each a log from which a client that was away resumes.
 *
 * @throws {SluiceError} `invalid-option`
 *
 * @example
 * ```ts
 * import { createHub } from "@sluice/core";
 *
 * const hub = createHub();
 * const news = hub.channel("news");
 * const id = await news.publish({ event: "headline", data: { text: "Water flows" } });
 * for await (const item of news.read("start")) {
 *   if (item.type === "event") console.assert(item.id === id && item.event === "headline");
 *   if (item.type === "live") break;
 * }
 * await hub.close();
 * ```
 */
export function createHub(options: HubOptions = {}): Hub {
  checkOptions("Cannot create hub", options, rules);
  return new StoreHub(options);
}

const rules: Readonly<Record<keyof HubOptions, Rule>> = {
  store: {
    allows: (value) => typeof value === "object" && value !== null && "append" in value && "watch" in value,
    wanted: "an event store, such as memoryStore()",
  },
  serialize: aFunction,
  maxEventBytes: size,
  runBytes: size,
  maxReplayReads: size,
  pollInterval: {
    allows: (value) => value !== false && milliseconds.allows(value),
    wanted: "a positive number of ms",
  },
  linger: { allows: (value) => typeof value === "number" && value >= 0, wanted: "a non-negative number of ms" },
  whenStoreFails: { allows: (value) => value === "wait" || value === "end", wanted: '"wait" or "end"' },
  onError: aFunction,
};

/** A feed, and who keeps it going. */
interface Live {
  readonly feed: Feed;
  readers: number;
  stopLingering: (() => void) | undefined;
}

class StoreHub implements Hub {
  readonly #store: EventStore;
  readonly #ownsStore: boolean;
  readonly #replays: Replays;
  readonly #feedContext: FeedContext;
  readonly #channelContext: ChannelContext;
  readonly #linger: number;
  readonly #pollInterval: number;
  readonly #whenStoreFails: "wait" | "end";
  readonly #onError: (error: unknown) => void;
  /** One for each channel that somebody reads, or has read within `linger`. */
  readonly #live = new Map<string, Live>();
  /** What makes each open reader leave. */
  readonly #readers = new Set<() => void>();
  #isClosed = false;
  #polls = 0;
  #stopPolling: (() => void) | undefined = undefined;

  constructor(options: HubOptions) {
    const store = options.store ?? memoryStore();
    this.#onError = guarded(options.onError ?? ((error) => console.error("Sluice: a store failed:", error)));
    this.#store = store;
    this.#ownsStore = options.store === undefined;
    this.#replays = new Replays(store, options.maxReplayReads ?? 8, this.#onError);
    this.#feedContext = { store, runBytes: options.runBytes ?? 1_048_576, onError: this.#onError };
    this.#linger = options.linger ?? 30_000;
    this.#pollInterval = options.pollInterval ?? 5000;
    this.#whenStoreFails = options.whenStoreFails ?? "wait";
    this.#channelContext = {
      append: async (channel, events, appending) => {
        this.#assertOpen();
        return (await store.append(channel, events, appending)).tail;
      },
      tail: async (channel) => {
        this.#assertOpen();
        return (await store.tails([channel]))[0] ?? "origin";
      },
      open: (channel, start, signal) => this.#open(channel, start, signal),
      serialize: options.serialize ?? JSON.stringify,
      maxEventBytes: options.maxEventBytes ?? 1_048_576,
    };
  }

  channel(name: string): Channel {
    return new LogChannel(name, this.#channelContext);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopPolling?.();
    for (const leave of this.#readers) leave();
    for (const { feed, stopLingering } of this.#live.values()) {
      stopLingering?.();
      feed.stop();
    }
    this.#live.clear();
    if (this.#ownsStore) await this.#store.close();
  }

  #open(channel: string, start: Start, signal: AbortSignal): Reader {
    this.#assertOpen();
    const live = this.#live.get(channel) ?? this.#start(channel);
    live.readers++;
    live.stopLingering?.();
    live.stopLingering = undefined;
    // Either ends the reader: its own leaving, or the hub's end.
    const stop = new AbortController();
    const leave = (): void => {
      signal.removeEventListener("abort", leave);
      this.#readers.delete(leave);
      stop.abort();
      if (--live.readers === 0) this.#lingerOn(channel, live);
    };
    this.#readers.add(leave);
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave);
    const context = { channel, feed: live.feed, replays: this.#replays, whenStoreFails: this.#whenStoreFails };
    return new Reader(context, start, stop.signal);
  }

  #start(channel: string): Live {
    const live: Live = { feed: new Feed(channel, this.#feedContext), readers: 0, stopLingering: undefined };
    this.#live.set(channel, live);
    this.#pollLater();
    return live;
  }

  #lingerOn(channel: string, live: Live): void {
    if (this.#isClosed) return;
    live.stopLingering = startTimer(this.#linger, () => {
      live.feed.stop();
      this.#live.delete(channel);
    });
  }

  /** One question for all channels; none while nobody reads. */
  #pollLater(): void {
    this.#stopPolling ??= startTimer(this.#pollInterval, () => void this.#poll());
  }

  /** A store that does not answer must not end the polling. */
  async #tails(channels: readonly string[]): Promise<readonly Position[]> {
    if (channels.length === 0) return [];
    return within(TAILS_TIMEOUT, this.#store.tails(channels), async () => {
      throw new SluiceError("unavailable", `Cannot poll store: it has not answered for ${TAILS_TIMEOUT} ms`);
    });
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new SluiceError("unavailable", "Cannot use channel: its hub is closed; create another");
  }

  async #poll(): Promise<void> {
    const channels = [...this.#live.keys()];
    this.#polls++;
    try {
      const tails = await this.#tails(channels);
      channels.forEach((channel, i) => {
        const feed = this.#live.get(channel)?.feed;
        // That a channel was closed moves no tail: now and then those that are open are looked at anyway.
        const isOverdue = feed?.ended === false && this.#polls % CLOSE_POLLS === 0;
        if (feed !== undefined && (feed.position !== tails[i] || isOverdue)) feed.wake();
      });
    } catch (error) {
      this.#onError(error);
    }
    this.#stopPolling = undefined;
    if (this.#live.size > 0 && !this.#isClosed) this.#pollLater();
  }
}

/** Of so many polls, one also looks for channels whose end no doorbell has announced. */
const CLOSE_POLLS = 6;

/** In ms. */
const TAILS_TIMEOUT = 30_000;

function guarded(onError: (error: unknown) => void): (error: unknown) => void {
  return (error) => {
    callGuarded(() => onError(error));
  };
}
