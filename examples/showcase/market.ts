import type { Channel, PublishedEvent } from "@sluice/core";
import { pageOf } from "./lines.ts";
import { json } from "./mount.ts";
import type { StreamRoute, PlainRoute } from "./mount.ts";
import type { ServerLog } from "./log.ts";

/** How often quotes are published, in ms: together, as far as no symbol comes twice. That makes some 200 a second. */
const EVERY = 25;

/** The market goes on for so long when nobody reads it, in ms: a slow reader is only away between two sips. */
const GRACE = 120_000;

/** One event of the channel `market`; its key is the symbol. */
export interface Quote {
  /** A running number from 1, over all symbols: what a reader has not seen of it was overtaken. */
  readonly n: number;
  readonly symbol: string;
  /** In cents: prices that are added up have no fractions. */
  readonly price: number;
  /** Where it stood when the market opened, in cents. */
  readonly opened: number;
}

/** Rivers, as nothing here is for sale; each with the price it opens at, in cents, and how restless it is. */
const RIVERS: readonly (readonly [symbol: string, cents: number, unrest: number])[] = [
  ["AMAZN", 18_420, 1.1],
  ["NILE", 9_612, 0.7],
  ["YANGT", 12_044, 1.3],
  ["CONGO", 5_230, 1.9],
  ["GANGE", 7_715, 1.0],
  ["DANUB", 4_388, 0.6],
  ["RHINE", 6_104, 0.5],
  ["VOLGA", 3_650, 1.4],
  ["MEKNG", 8_207, 1.2],
  ["THAME", 11_930, 0.4],
  ["SEINE", 10_277, 0.5],
  ["TIBER", 2_940, 0.9],
  ["ELBE", 3_312, 0.6],
  ["LOIRE", 4_875, 0.7],
  ["PO", 1_986, 1.5],
  ["EBRO", 2_204, 1.1],
  ["TAGUS", 2_761, 0.8],
  ["INDUS", 6_420, 1.6],
  ["NIGER", 3_085, 1.8],
  ["YUKON", 7_340, 2.2],
];

/**
 * Endless quotes: a geometric random walk for each symbol, with moods that last a while, pulled back towards where it
 * opened. The same numbers in give the same quotes out.
 *
 * @param random numbers in [0, 1)
 */
export function* walk(random: () => number): Generator<Quote, never> {
  const prices = RIVERS.map(([, cents]) => cents);
  const moods = RIVERS.map(() => 0);
  for (let n = 1; ; n++) {
    const index = Math.floor(random() * RIVERS.length);
    const [symbol, opened, unrest] = RIVERS[index] as (typeof RIVERS)[number];
    const before = prices[index] as number;
    const mood = 0.97 * (moods[index] as number) + 0.03 * normal(random);
    moods[index] = mood;
    const drift = 0.0004 * Math.log(opened / before);
    const change = (0.0007 * normal(random) + 0.0015 * mood) * unrest + drift;
    const price = Math.max(1, Math.round(before * Math.exp(change)));
    prices[index] = price;
    yield { n, symbol, price, opened };
  }
}

/** Box and Muller's. */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Numbers in [0, 1) that a seed determines: Marsaglia's xorshift of 32 bits. */
export function seeded(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Trades while somebody looks: one writer of the channel `market`. */
export class Market {
  readonly channel: Channel;
  readonly #quotes: Generator<Quote, never>;
  readonly #log: ServerLog;
  readonly #shutdown: AbortSignal;
  #next: Quote;
  #readers = 0;
  #count = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #closing: ReturnType<typeof setTimeout> | undefined;

  constructor(channel: Channel, quotes: Generator<Quote, never>, log: ServerLog, shutdown: AbortSignal) {
    this.channel = channel;
    this.#quotes = quotes;
    this.#next = quotes.next().value;
    this.#log = log;
    this.#shutdown = shutdown;
    shutdown.addEventListener("abort", () => this.#stop(), { once: true });
  }

  report(): { open: boolean; readers: number; quotes: number; symbols: number } {
    const { length: symbols } = RIVERS;
    return { open: this.#timer !== undefined, readers: this.#readers, quotes: this.#count, symbols };
  }

  addReader(closed: Promise<unknown>): void {
    this.#readers++;
    clearTimeout(this.#closing);
    if (!this.#shutdown.aborted) this.#timer ??= setInterval(() => this.#trade(), EVERY);
    void closed.then(() => {
      if (--this.#readers === 0 && !this.#shutdown.aborted) this.#closing = setTimeout(() => this.#stop(), GRACE);
    });
  }

  #trade(): void {
    // Published together they would wait together, and one would overtake the other.
    const quotes = new Map<string, PublishedEvent<Quote>>();
    while (!quotes.has(this.#next.symbol)) {
      const quote = this.#next;
      quotes.set(quote.symbol, { event: "quote", key: quote.symbol, data: quote });
      this.#count = quote.n;
      this.#next = this.#quotes.next().value;
    }
    this.channel.publish([...quotes.values()]).catch((error: unknown) => {
      if (!this.#shutdown.aborted) this.#log.error("quotes were not published", error);
    });
  }

  #stop(): void {
    clearTimeout(this.#closing);
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/**
 * `GET /market/events` streams quotes, of each symbol the newest when the reader is behind; `GET /market` tells how many
 * there have been.
 */
export function marketRoutes(market: Market): readonly [PlainRoute, StreamRoute] {
  return [
    { method: "GET", path: "/market", answer: () => json(market.report()) },
    {
      method: "GET",
      path: "/market/events",
      options: { coalesce: true, start: { last: 400 }, retry: [500, 1500] },
      lineOf: pageOf,
      open: () => (connection) => {
        market.addReader(connection.closed);
        return market.channel;
      },
    },
  ];
}
