import type { Connection } from "@sluice/core";

/** What the foot of the page shows: counted where it happens. Every sample of the machine carries it. */
export interface Facts {
  /** Streams that are open now, of all panels and all clients. */
  openStreams: number;
  quizAnswers: number;
  tokensGenerated: number;
  filesHashed: number;
}

export function createFacts(): Facts {
  return { openStreams: 0, quizAnswers: 0, tokensGenerated: 0, filesHashed: 0 };
}

/** Counts the stream as open until it is over. */
export function whileOpen(facts: Facts, { closed }: Connection): void {
  facts.openStreams++;
  void closed.then(() => facts.openStreams--);
}
