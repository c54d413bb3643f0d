import { LogChannel, LogGroup } from "./channel.ts";
import type { Channel, ChannelContext, ChannelGroup } from "./channel.ts";
import { checkedStore } from "./checked-store.ts";
import { Crowd } from "./crowd.ts";
import { aDuration, aFunction, anObject, aSize, checkOptions } from "./check-options.ts";
import type { Rule } from "./check-options.ts";
import type { Start } from "./cursor.ts";
import { SluiceError } from "./errors.ts";
import type { SluiceErrorCode } from "./errors.ts";
import type { EventStore } from "./event-store.ts";
import { callGuarded, startGuarded } from "./guard.ts";
import { isMarked, mark } from "./kinship.ts";
import { LiveChannels } from "./live-channels.ts";
import { memoryStore } from "./memory-event-store.ts";
import type { HubObserver, HubStats } from "./observe.ts";
import { PublishRate } from "./rate.ts";
import { Reader } from "./reader.ts";
import type { ReaderContext, View } from "./reader.ts";
import { Replays } from "./replays.ts";
import { defaultSerialize } from "./serialize.ts";
import { startTimer } from "./timer.ts";
import { eachInTurn, Pace } from "./turns.ts";

/** Options of {@link createHub}. */
export interface HubOptions {
  /** Where the channels keep their events. Default: `memoryStore()`. */
  readonly store?: EventStore | undefined;
  /** Makes text of `data` that is not a string. Default `JSON.stringify`. */
  readonly serialize?: ((data: unknown) => string) | undefined;
  /** The largest event that `publish` takes, encoded without its id, in bytes. Default 1 MiB. */
  readonly maxEventBytes?: number | undefined;
  /** How many bytes of newest events, with 400 for each, every channel that is read keeps encoded. Default 1 MiB. */
  readonly runBytes?: number | undefined;
  /** How many reads of the store run at once for readers that are behind; half as many for those of one channel. Default 8. */
  readonly maxReplayReads?: number | undefined;
  /** How often the store is asked for news that no doorbell announced, in ms; one question for all channels. Default 5,000. */
  readonly pollInterval?: number | undefined;
  /** How long a channel is kept at hand after its last reader has left, in ms; 5,000 channels at the most. Default 30,000. */
  readonly linger?: number | undefined;
  /**
   * How many channels are read at once, at the most. For one more, a connection is told to come back later, and `read()`
   * throws `too-large`. Default 50,000.
   */
  readonly maxLiveChannels?: number | undefined;
  /** How many connections are open at most; a further one is told to come back later. Default 50,000. */
  readonly maxConnections?: number | undefined;
  /** How many connections of one `limitKey` are open at most; a further one is answered with 429. Default 100. */
  readonly maxConnectionsPerKey?: number | undefined;
  /**
   * How many events a second each channel takes from this hub, on average, a second's worth at once; `publish` throws
   * `rate-limited` for more. `false` for any number. Default `false`: a publisher is your own code, unless it acts for
   * somebody else.
   */
  readonly maxPublishRate?: number | false | undefined;
  /**
   * How many bytes a connection is sent of what it missed; then it is told to come back, and goes on from there, so that
   * others have their turn. Default 64 MiB.
   */
  readonly maxReplayBytes?: number | undefined;
  /** Told of what happens. */
  readonly observer?: HubObserver | undefined;
  /** Readers whose store fails `"wait"` until it answers again (the default), losing nothing, or `"end"`. */
  readonly whenStoreFails?: "wait" | "end" | undefined;
  /**
   * Called with what the store throws at read loops, and with every failure of `publish`, `close` and `position` of a channel
   * and of `drain` and `close` of the hub, also when nobody waits for them. Not with `conflict`, `fenced` and `sequence`,
   * which answer an `ifTail` or a `producer`; with `rate-limited` once a second at the most. Default: `console.error`.
   */
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
  /**
   * Several channels as one stream, with one cursor for all.
   *
   * @param names 1 to 64, each once
   * @throws {SluiceError} `invalid-option`
   */
  channels(names: readonly string[]): ChannelGroup;
  /**
   * Ends all connections, one after another over so many ms (default 5,000), so that their clients do not all come back
   * at once; from now on a new one is told to come back later. Resolves when all have ended: then close the server, and
   * the hub. Channels can still be published to and read.
   */
  drain(options?: { readonly within?: number | undefined }): Promise<void>;
  /** How it stands, and what it has done since it was made. */
  stats(): HubStats;
  /** Ends all readers and connections at once, and the store if the hub has made it. A server that stops drains before. */
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
  const { observer = {} } = options;
  // An object of a class may have more to it.
  if (Object.getPrototypeOf(observer) === Object.prototype) {
    checkOptions("Cannot create hub: observer", observer, observerRules);
  }
  return new StoreHub(options);
}

const rules: Readonly<Record<keyof HubOptions, Rule>> = {
  store: {
    allows: (value) => typeof value === "object" && value !== null && "append" in value && "watch" in value,
    wanted: "an event store, such as memoryStore()",
  },
  serialize: aFunction,
  maxEventBytes: aSize,
  runBytes: aSize,
  maxReplayReads: aSize,
  pollInterval: {
    allows: (value) => value !== false && aDuration.allows(value),
    wanted: "a positive number of ms",
  },
  linger: { allows: (value) => typeof value === "number" && value >= 0, wanted: "a non-negative number of ms" },
  maxLiveChannels: aSize,
  maxConnections: aSize,
  maxConnectionsPerKey: aSize,
  maxPublishRate: {
    allows: (value) => value === false || aSize.allows(value),
    wanted: "a positive integer, or false",
  },
  maxReplayBytes: aSize,
  observer: anObject,
  whenStoreFails: { allows: (value) => value === "wait" || value === "end", wanted: '"wait" or "end"' },
  onError: aFunction,
};

const observerRules: Readonly<Record<keyof HubObserver, Rule>> = {
  opened: aFunction,
  closed: aFunction,
  refused: aFunction,
  published: aFunction,
  delivered: aFunction,
  replayed: aFunction,
  gap: aFunction,
};

const drainRules: Readonly<Record<"within", Rule>> = {
  within: {
    allows: (value) => typeof value === "number" && value >= 0 && value < Infinity,
    wanted: "a non-negative number of ms",
  },
};

/** The connections of a hub; undefined for what is none. */
export function crowdOf(hub: unknown): Crowd | undefined {
  return hub instanceof StoreHub ? hub.crowd : undefined;
}

class StoreHub implements Hub {
  static {
    mark(this, "sluice.hub");
  }

  static [Symbol.hasInstance](value: unknown): boolean {
    return isMarked(value, "sluice.hub");
  }

  readonly #store: EventStore;
  readonly #ownsStore: boolean;
  readonly #readerContext: ReaderContext;
  readonly #channelContext: ChannelContext;
  readonly #pollInterval: number;
  readonly #onError: (error: unknown) => void;
  readonly #live: LiveChannels;
  readonly crowd: Crowd;
  readonly #readers = new Set<Reader>();
  #isClosed = false;
  /** From when on a `rate-limited` is reported again. */
  #reportsRateAt = -Infinity;
  #polls = 0;
  #stopPolling: (() => void) | undefined = undefined;

  constructor(options: HubOptions) {
    const store = checkedStore(options.store ?? memoryStore(), (error) => this.#onError(error));
    this.#onError = guarded(
      options.onError ?? ((error) => console.error("Sluice: a channel or its store failed:", error)),
    );
    this.#store = store;
    this.#ownsStore = options.store === undefined;
    this.#live = new LiveChannels(
      { store, runBytes: options.runBytes ?? 1_048_576, onError: this.#onError },
      options.maxLiveChannels ?? 50_000,
      options.linger ?? 30_000,
    );
    this.#readerContext = {
      replays: new Replays(store, options.maxReplayReads ?? 8, this.#onError),
      whenStoreFails: options.whenStoreFails ?? "wait",
      onStop: (reader, channel, feed) => {
        this.#readers.delete(reader);
        this.#live.leave(channel, feed);
      },
    };
    this.#pollInterval = options.pollInterval ?? 5000;
    this.crowd = new Crowd({
      maxConnections: options.maxConnections ?? 50_000,
      maxConnectionsPerKey: options.maxConnectionsPerKey ?? 100,
      maxReplayBytes: options.maxReplayBytes ?? 67_108_864,
      observer: options.observer ?? {},
    });
    const { maxPublishRate = false } = options;
    const rate = maxPublishRate === false ? undefined : new PublishRate(maxPublishRate);
    this.#channelContext = {
      append: async (channel, events, appending) => {
        this.#assertOpen();
        rate?.take(channel, events.length);
        const { tail, duplicate } = await store.append(channel, events, appending);
        if (!duplicate && events.length > 0) this.crowd.published(channel, events.length);
        return tail;
      },
      tails: async (channels) => {
        this.#assertOpen();
        return store.tails(channels);
      },
      open: (channel, start, view) => this.#open(channel, start, view),
      crowd: this.crowd,
      serialize: options.serialize ?? defaultSerialize,
      maxEventBytes: options.maxEventBytes ?? 1_048_576,
      onFailure: (error) => this.#reportFailure(error),
    };
  }

  channel(name: string): Channel {
    return new LogChannel(name, this.#channelContext);
  }

  channels(names: readonly string[]): ChannelGroup {
    return new LogGroup(names, this.#channelContext);
  }

  drain(options: { readonly within?: number | undefined } = {}): Promise<void> {
    return startGuarded(this.#onError, async () => {
      checkOptions("Cannot drain hub", options, drainRules);
      await this.crowd.drain(options.within ?? 5000);
    });
  }

  stats(): HubStats {
    return this.crowd.stats(this.#live.size);
  }

  close(): Promise<void> {
    return startGuarded(this.#onError, () => this.#close());
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    // Who comes now is told to come back, as whoever was there.
    this.#stopPolling?.();
    await this.crowd.dismiss();
    await eachInTurn([...this.#readers], (reader) => reader.stop());
    await this.#live.stop();
    if (this.#ownsStore) await this.#store.close();
  }

  /** Of what a channel was asked for: perhaps nobody waits to hear of it. */
  #reportFailure(error: unknown): void {
    if (error instanceof SluiceError) {
      if (ANSWERS.includes(error.code)) return;
      if (error.code === "rate-limited") {
        const now = performance.now();
        if (now < this.#reportsRateAt) return;
        this.#reportsRateAt = now + RATE_REPORTS;
      }
    }
    this.#onError(error);
  }

  #open(channel: string, start: Start, view: View): Reader {
    this.#assertOpen();
    const feed = this.#live.enter(channel);
    const reader = new Reader(channel, feed, this.#readerContext, start, view);
    this.#readers.add(reader);
    this.#pollLater();
    return reader;
  }

  /** One question for all channels; none while nobody reads. */
  #pollLater(): void {
    this.#stopPolling ??= startTimer(this.#pollInterval, () => void this.#poll());
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new SluiceError("unavailable", "Cannot use channel: its hub is closed; create another");
  }

  async #poll(): Promise<void> {
    const channels = this.#live.names;
    this.#polls++;
    try {
      const tails = channels.length === 0 ? [] : await this.#store.tails(channels);
      const late = channels.filter((channel, i) => {
        const feed = this.#live.feedOf(channel);
        // That a channel was closed moves no tail: now and then those that are open are looked at anyway.
        const isOverdue = feed?.ended === false && this.#polls % CLOSE_POLLS === 0;
        return feed !== undefined && (feed.position !== tails[i] || isOverdue);
      });
      const pace = new Pace();
      for (const [i, channel] of late.entries()) {
        this.#live.feedOf(channel)?.wake();
        if (i % WAKES === WAKES - 1) await pace.nextTurn();
      }
    } catch (error) {
      this.#onError(error);
    }
    this.#stopPolling = undefined;
    if (this.#live.size > 0 && !this.#isClosed) this.#pollLater();
  }
}

/** What a publisher has asked to be told, by `ifTail` or `producer`. */
const ANSWERS: readonly SluiceErrorCode[] = ["conflict", "fenced", "sequence"];

/** How often `rate-limited` is reported, at the most, in ms: publishers may be strangers. */
const RATE_REPORTS = 1000;

/** Of so many polls, one also looks for channels whose end no doorbell has announced. */
const CLOSE_POLLS = 6;

/** How many channels look into the store in one turn. */
const WAKES = 64;

function guarded(onError: (error: unknown) => void): (error: unknown) => void {
  return (error) => {
    callGuarded(() => onError(error));
  };
}
