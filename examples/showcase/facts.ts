import { setTimeout as sleep } from "node:timers/promises";
import { eventStream } from "@sluice/adapter-express";
import type { Connection, ServerSentEvent } from "@sluice/core";
import { Router } from "express";

/** What the foot of the page shows: counted where it happens, nothing else. */
export interface Facts {
  /** Streams of the two panels that are open now. */
  openStreams: number;
  eventsSent: number;
  tokensGenerated: number;
  filesHashed: number;
}

export function createFacts(): Facts {
  return { openStreams: 0, eventsSent: 0, tokensGenerated: 0, filesHashed: 0 };
}

/** Passes a panel's events on and counts them. */
export async function* counted(
  facts: Facts,
  connection: Connection,
  events: AsyncIterable<ServerSentEvent>,
): AsyncGenerator<ServerSentEvent> {
  facts.openStreams++;
  void connection.closed.then(() => facts.openStreams--);
  for await (const event of events) {
    facts.eventsSent++;
    yield event;
  }
}

/** `GET /facts`: an event whenever a number has changed. */
export function factsRouter(facts: Facts, shutdown: AbortSignal): Router {
  const router = Router();
  router.get(
    "/",
    eventStream(
      async function* ({ signal }) {
        const stop = AbortSignal.any([signal, shutdown]);
        for (let told = ""; !stop.aborted; await pause(stop)) {
          const now = JSON.stringify({ ...facts, memory: process.memoryUsage.rss() >> 20 });
          if (now !== told) yield { event: "facts", data: now };
          told = now;
        }
      },
      // It ends only because the server does; the page may look for the next one.
      { whenDone: "reconnect" },
    ),
  );
  return router;
}

/** Resolves after a short while, or at once when it is time to stop. */
async function pause(stop: AbortSignal): Promise<void> {
  await sleep(250, undefined, { signal: stop }).catch(() => {});
}
