import type { Channel } from "@sluice/core";
import type { Told } from "./facts.ts";
import { pageOf } from "./lines.ts";
import { json } from "./mount.ts";
import type { Route } from "./mount.ts";

const EVERY = 1000;

/** How far back a page can see at once: two minutes. */
const HISTORY = 120;

/** For so long is sampled for nobody, in ms: a page whose connection broke is back sooner, and has missed nothing. */
const GRACE = 3000;

/** One event of the channel `machine`. */
interface Sample extends Measured {
  /** A running number from 1, so that a page can count what reached it. */
  readonly n: number;
  /** In ms since the epoch, by the server's clock. */
  readonly at: number;
  /** How long ago the sample before this was taken, where nobody was reading in between, in ms. */
  readonly rested?: number;
  readonly facts: Told;
}

/** What was measured in a second. */
interface Measured {
  /** The part of all cores that was busy, 0 to 1. */
  readonly cpu: number | null;
  /** Processes that wanted a core, on the average of a minute; always 0 on Windows. */
  readonly load: number | null;
  readonly cores: number | null;
  /** In bytes. */
  readonly memoryUsed: number | null;
  readonly memoryTotal: number | null;
  /** Of this process, in bytes. */
  readonly rss: number | null;
  /** How late this process was for its timers at the worst but one in a hundred, in ms. */
  readonly loopDelay: number | null;
}

/** What a platform can tell of the machine under it; null for what it cannot. */
export interface Probe {
  /** Begins to measure anew. */
  reset(): void;
  /** What was so since the last look. */
  look(): Measured;
  /** Whoever reads has left: nothing needs to be measured. */
  rest(): void;
}

/**
 * `GET /machine/events` streams a sample of this machine each second, the last two minutes first; `GET /machine` tells
 * whether anything is sampled at all.
 *
 * The channel is the history: nothing else keeps it. Samples are taken while somebody reads, and for nobody otherwise.
 */
export function machineRoutes(machine: Machine): readonly Route[] {
  return [
    { method: "GET", path: "/machine", answer: () => json(machine.report()) },
    {
      method: "GET",
      path: "/machine/events",
      options: { start: { last: HISTORY }, retry: [500, 1500] },
      lineOf: pageOf,
      open: () => (connection) => {
        machine.addReader(connection.closed);
        return machine.channel;
      },
    },
  ];
}

/** Measures while somebody reads: one writer of the channel `machine`. */
export class Machine {
  readonly channel: Channel;
  readonly #probe: Probe;
  readonly #tell: () => Told;
  readonly #shutdown: AbortSignal;
  #readers = 0;
  #samples = 0;
  #lastAt = 0;
  /** Nothing was sampled for a while before the next sample. */
  #hasRested = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  #resting: ReturnType<typeof setTimeout> | undefined;

  /** @param tell the facts that each sample brings along */
  constructor(channel: Channel, probe: Probe, tell: () => Told, shutdown: AbortSignal) {
    this.channel = channel;
    this.#probe = probe;
    this.#tell = tell;
    this.#shutdown = shutdown;
    shutdown.addEventListener("abort", () => this.#stop(), { once: true });
  }

  report(): { sampling: boolean; readers: number; samples: number } {
    return { sampling: this.#timer !== undefined, readers: this.#readers, samples: this.#samples };
  }

  addReader(closed: Promise<unknown>): void {
    this.#readers++;
    clearTimeout(this.#resting);
    this.#start();
    void closed.then(() => {
      if (--this.#readers === 0 && !this.#shutdown.aborted) this.#resting = setTimeout(() => this.#stop(), GRACE);
    });
  }

  #start(): void {
    if (this.#timer !== undefined || this.#shutdown.aborted) return;
    // What is measured is what happens from now on.
    this.#probe.reset();
    this.#hasRested = this.#samples > 0;
    this.#timer = setInterval(() => this.#publish(), EVERY);
  }

  #stop(): void {
    clearTimeout(this.#resting);
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#probe.rest();
  }

  #publish(): void {
    const at = Date.now();
    const sample: Sample = {
      n: ++this.#samples,
      at,
      ...(this.#hasRested && { rested: at - this.#lastAt }),
      ...this.#probe.look(),
      facts: this.#tell(),
    };
    this.#lastAt = at;
    this.#hasRested = false;
    this.channel.publish({ event: "sample", data: sample }).catch((error: unknown) => {
      if (!this.#shutdown.aborted) console.error("A sample was not published:", error);
    });
  }
}
