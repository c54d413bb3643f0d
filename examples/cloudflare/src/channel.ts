import { DurableObject } from "cloudflare:workers";
import { eventStream } from "@sluice/adapter-edge/cloudflare";
import { createHub } from "@sluice/core";
import type { Channel as HubChannel, Hub, Producer, PublishedEvent } from "@sluice/core";
import { durableObjectStore } from "@sluice/store-durable-object";

/** Streams stay open for so many ms after the last event. */
const QUIET = 5 * 60_000;

/** After that, a client that comes by has so many ms to take what it missed. */
const VISIT = 1000;

/**
 * One channel, for all who read it. An open stream keeps its object in memory, which is what costs: while nobody publishes,
 * clients are sent away and come by every 10 to 20 seconds, and the object sleeps in between.
 */
export class Channel extends DurableObject {
  readonly #store = durableObjectStore({ storage: this.ctx.storage });
  readonly #stream = eventStream(() => this.#open(), { retry: [10_000, 20_000], maxAge: 60 * 60_000 });
  #hub: Hub | undefined = undefined;
  #publishedAt = -Infinity;
  #resting: number | null = null;

  override fetch(request: Request): Promise<Response> {
    return this.#stream(request, this.env, this.ctx);
  }

  /** @returns the id of the event */
  async publish(event: PublishedEvent, producer?: Producer): Promise<string> {
    this.#publishedAt = Date.now();
    return this.#open().publish(event, { producer });
  }

  #open(): HubChannel {
    this.#hub ??= createHub({ store: this.#store });
    clearTimeout(this.#resting);
    this.#resting = setTimeout(() => this.#rest(), Math.max(this.#publishedAt + QUIET - Date.now(), VISIT));
    return this.#hub.channel("events");
  }

  /** Ends the streams, not the log: clients come back, and go on where they were. */
  #rest(): void {
    void this.#hub?.close();
    this.#hub = undefined;
  }
}
