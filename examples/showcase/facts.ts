import type { Hub } from "@sluice/core";

/** What the foot of the page shows, counted where it happens. */
export interface Facts {
  quizAnswers: number;
  tokensGenerated: number;
  filesHashed: number;
}

export function createFacts(): Facts {
  return { quizAnswers: 0, tokensGenerated: 0, filesHashed: 0 };
}

/** The facts, and how the hub stands: every sample of the machine carries them. */
export interface Told extends Facts {
  /** Streams that are open now, of all panels and all clients. */
  readonly openStreams: number;
  readonly delivered: number;
  readonly deliveredBytes: number;
  readonly published: number;
  /** The most events that a stream is behind its channel. */
  readonly lag: number;
  /** Quotes of the market, of all symbols. */
  readonly quotes: number;
}

export function tell(facts: Facts, hub: Hub, quotes: number): Told {
  const { connections, deliveredEvents, deliveredBytes, published, maxLag } = hub.stats();
  return {
    ...facts,
    openStreams: connections,
    delivered: deliveredEvents,
    deliveredBytes,
    published,
    lag: Number.isFinite(maxLag) ? maxLag : 0,
    quotes,
  };
}
