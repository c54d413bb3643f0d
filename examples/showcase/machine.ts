import { availableParallelism, cpus, freemem, loadavg, totalmem } from "node:os";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { eventStream } from "@sluice/adapter-express";
import type { Channel, Hub } from "@sluice/core";
import { Router } from "express";
import { whileOpen } from "./facts.ts";
import type { Facts } from "./facts.ts";
import { pageOf } from "./lines.ts";
import type { Lines } from "./lines.ts";

const EVERY = 1000;

/** How far back a page can see at once: two minutes. */
const HISTORY = 120;

/** For so long is sampled for nobody, in ms: a page whose connection broke is back sooner, and has missed nothing. */
const GRACE = 3000;

/** One event of the channel `machine`. */
interface Sample {
  /** A running number from 1, so that a page can count what reached it. */
  readonly n: number;
  /** In ms since the epoch, by the server's clock. */
  readonly at: number;
  /** How long ago the sample before this was taken, where nobody was reading in between, in ms. */
  readonly rested?: number;
  /** The part of all cores that was busy, 0 to 1. */
  readonly cpu: number;
  /** Processes that wanted a core, on the average of a minute; always 0 on Windows. */
  readonly load: number;
  readonly cores: number;
  /** In bytes. */
  readonly memoryUsed: number;
  readonly memoryTotal: number;
  /** Of this process, in bytes. */
  readonly rss: number;
  /** How late this process was for its timers at the worst but one in a hundred, in ms. */
  readonly loopDelay: number;
  readonly facts: Facts;
}

export interface MachineOptions {
  readonly hub: Hub;
  readonly lines: Lines;
  readonly facts: Facts;
  readonly shutdown: AbortSignal;
}

/**
 * `GET /machine/events` streams a sample of this machine each second, the last two minutes first; `GET /machine` tells
 * whether anything is sampled at all.
 *
 * The channel is the history: nothing else keeps it. Samples are taken while somebody reads, and for nobody otherwise.
 */
export function machineRouter({ hub, lines, facts, shutdown }: MachineOptions): Router {
  const channel = hub.channel("machine");
  const sampler = new Sampler(channel, facts, shutdown);
  const router = Router();
  router.get("/", (_req, res) => void res.json(sampler.report()));
  router.get(
    "/events",
    lines.hold(pageOf),
    eventStream(
      (connection) => {
        whileOpen(facts, connection);
        sampler.addReader(connection.closed);
        return channel;
      },
      { start: { last: HISTORY }, retry: [500, 1500] },
    ),
  );
  return router;
}

class Sampler {
  readonly #channel: Channel;
  readonly #facts: Facts;
  readonly #shutdown: AbortSignal;
  readonly #loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION });
  #readers = 0;
  #samples = 0;
  #lastAt = 0;
  /** Nothing was sampled for a while before the next sample. */
  #hasRested = false;
  #cpu = cpuTimes();
  #timer: NodeJS.Timeout | undefined;
  #resting: NodeJS.Timeout | undefined;

  constructor(channel: Channel, facts: Facts, shutdown: AbortSignal) {
    this.#channel = channel;
    this.#facts = facts;
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
      if (--this.#readers === 0) this.#resting = setTimeout(() => this.#stop(), GRACE).unref();
    });
  }

  #start(): void {
    if (this.#timer !== undefined || this.#shutdown.aborted) return;
    // What is measured is what happens from now on.
    this.#cpu = cpuTimes();
    this.#loop.reset();
    this.#loop.enable();
    this.#hasRested = this.#samples > 0;
    this.#timer = setInterval(() => this.#publish(), EVERY).unref();
  }

  #stop(): void {
    clearTimeout(this.#resting);
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#loop.disable();
  }

  #publish(): void {
    const before = this.#cpu;
    this.#cpu = cpuTimes();
    const at = Date.now();
    const sample: Sample = {
      n: ++this.#samples,
      at,
      ...(this.#hasRested && { rested: at - this.#lastAt }),
      cpu: round((this.#cpu.busy - before.busy) / Math.max(1, this.#cpu.all - before.all), 3),
      load: round(loadavg()[0] ?? 0, 2),
      cores: availableParallelism(),
      memoryUsed: totalmem() - freemem(),
      memoryTotal: totalmem(),
      rss: process.memoryUsage.rss(),
      loopDelay: round(Math.max(0, this.#loop.percentile(99) / 1e6 - LOOP_RESOLUTION), 1),
      facts: this.#facts,
    };
    this.#lastAt = at;
    this.#hasRested = false;
    this.#loop.reset();
    this.#channel.publish({ event: "sample", data: sample }).catch((error: unknown) => {
      if (!this.#shutdown.aborted) console.error("A sample was not published:", error);
    });
  }
}

/** How often the loop is looked at, in ms; the histogram counts it in. */
const LOOP_RESOLUTION = 20;

/** The time that all cores have spent, and have spent busy, since the machine was started, in ms. */
function cpuTimes(): { busy: number; all: number } {
  let busy = 0;
  let all = 0;
  for (const { times } of cpus()) {
    const working = times.user + times.nice + times.sys + times.irq;
    busy += working;
    all += working + times.idle;
  }
  return { busy, all };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
