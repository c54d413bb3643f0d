import { setTimeout as sleep } from "node:timers/promises";
import { openRig } from "./rig.ts";
import type { Rig } from "./rig.ts";
import * as turns from "./rounds.ts";
import type { Scale, Stage } from "./rounds.ts";
import type { Name, Protocol } from "./wire.ts";

/** Of each contender that took part, one result a round. */
export type Results<Figures> = turns.Results<Name, Figures>;

/** A whole event, from its first byte to the empty line, in bytes. */
export const EVENT_BYTES = 160;
export const TOGETHER = 10;
export const RATE = 20;
const IN_FLIGHT = 64;

/** Server CPU of one delivery, in µs, where each event is published when the one before has reached everybody. */
export async function single(rig: Stage, { connections, length }: Scale): Promise<number> {
  const events = Math.ceil(40 * length);
  const { cpu } = await rig.costOf(async () => {
    for (let i = 0; i < events; i++) await rig.reached(await rig.publish(1));
  });
  return cpu / (events * connections);
}

/** As `single`, of events that are published ten at once. */
export async function ten(rig: Stage, { connections, length }: Scale): Promise<number> {
  const groups = Math.ceil(15 * length);
  const { cpu } = await rig.costOf(async () => {
    for (let i = 0; i < groups; i++) await rig.reached(await rig.publish(TOGETHER, TOGETHER));
  });
  return cpu / (groups * TOGETHER * connections);
}

/** From before the publish to the client's callback, in ms, at `RATE` events a second. */
export async function latency(rig: Rig, { length }: Scale): Promise<{ p50: number; p99: number }> {
  const { p50, p99 } = await paced(rig, Math.ceil(40 * length), RATE);
  return { p50, p99 };
}

/** Deliveries a second, with up to `IN_FLIGHT` events published that have not reached everybody. */
export async function speed(rig: Rig, { connections, length }: Scale): Promise<number> {
  const step = IN_FLIGHT / 4;
  const steps = Math.ceil(20 * length);
  const { time } = await rig.costOf(async () => {
    const pending: Promise<number>[] = [];
    for (let i = 0; i < steps; i++) {
      pending.push(rig.publish(step));
      if (pending.length * step >= IN_FLIGHT) await rig.reached(await (pending.shift() as Promise<number>));
    }
    await rig.reached(await (pending.at(-1) as Promise<number>));
  });
  return (steps * step * connections * 1000) / time;
}

/** What a connection that gets nothing costs, in bytes. */
export interface Memory {
  readonly rss: number;
  readonly heap: number;
  readonly external: number;
}

/** In a new process each round: what one has taken from the system it does not give back for the next. */
export function memory(names: readonly Name[], { connections, rounds }: Scale): Promise<Results<Memory>> {
  return turns.inRounds(names, Math.min(rounds, 5), async (name) => {
    const rig = await openRig(name, EVENT_BYTES);
    try {
      // What the first connections load and have compiled is not theirs; they stay, or the next would have their memory.
      await rig.connect(connections);
      const before = await rig.server.call("memory");
      await rig.connect(connections);
      const after = await rig.server.call("memory");
      return {
        rss: (after.rss - before.rss) / connections,
        heap: (after.heapUsed - before.heapUsed) / connections,
        external: (after.external - before.external) / connections,
      };
    } finally {
      await rig.close();
    }
  });
}

/** What clients that read nothing do to a server and to those who read. */
export interface Stalled {
  /** How much larger the server's process was at the most than before the events, in bytes. */
  readonly growth: number;
  /** Of those who read, in ms. */
  readonly p99: number;
  readonly p99Without: number;
  /** What was published when it was over, in bytes: less than it should be where the server had grown too large. */
  readonly published: number;
}

export const STALLED = 200;
export const HEALTHY = 100;
const LARGE_EVENT = 32 * 1024;
const LARGE_RATE = 160;
/** A server that has grown by so many bytes is taken for one that will not stop growing. */
export const MAX_GROWTH = 512 * 1024 * 1024;

/** So much goes to a connection that reads nothing before the kernel takes no more, and then some. */
const FILLS = 12 * 1024 * 1024;

/** The same events to the same clients, first without the stalled ones and then, when their connections are full, with them. */
export function stalled(
  names: readonly Name[],
  { rounds, length }: Scale,
  protocol: Protocol,
): Promise<Results<Stalled>> {
  const events = Math.ceil((200_000_000 / LARGE_EVENT) * Math.min(length, 1));
  return turns.inRounds(names, Math.min(rounds, 3), async (name) => {
    const rig = await openRig(name, LARGE_EVENT, { protocol });
    try {
      await rig.connect(HEALTHY);
      await paced(rig, Math.ceil(events / 10), LARGE_RATE);
      const { p99: p99Without } = await paced(rig, events, LARGE_RATE);
      await rig.clients[0]?.call("stall", STALLED);
      while ((await rig.server.call("connections")) < HEALTHY + STALLED) await sleep(50);
      for (let filled = 0; filled < FILLS; filled += TOGETHER * LARGE_EVENT) {
        await rig.reached(await rig.publish(TOGETHER));
      }
      const full = await rig.server.call("full");
      if (full !== STALLED) throw new Error(`${name} has ${full} connections that are full`);
      const { p99, growth, published } = await paced(rig, events, LARGE_RATE, MAX_GROWTH);
      const left = HEALTHY + STALLED - (await rig.server.call("connections"));
      if (left > 0) throw new Error(`${name} has closed ${left} connections that were stalled`);
      return { growth, p99, p99Without, published: published * LARGE_EVENT };
    } finally {
      await rig.close();
    }
  });
}

/** How a server takes everybody back. */
export interface Storm {
  /** Until all had what they had missed, in ms. */
  readonly time: number;
  /** For each connection, in µs. */
  readonly cpu: number;
}

export const MISSED = 100;

/** How many come back at once. */
export function stormConnections({ length }: Scale): number {
  return length < 1 ? 2000 : 10_000;
}

/** All drop at once, miss some events, and come back as fast as they can; each must get what it has missed, and no more. */
export function storm(names: readonly Name[], scale: Scale): Promise<Results<Storm>> {
  const processes = 2;
  const connections = stormConnections(scale);
  return turns.inRounds(names, Math.min(scale.rounds, 3), async (name) => {
    const rig = await openRig(name, EVENT_BYTES, { clientProcesses: processes });
    try {
      await rig.connect(connections);
      await rig.reached(await rig.publish(10));
      await Promise.all(rig.clients.map((clients) => clients.call("drop")));
      while ((await rig.server.call("connections")) > 0) await sleep(10);
      const last = await rig.publish(MISSED, TOGETHER);
      const { cpu, time } = await rig.costOf(async () => {
        await Promise.all(rig.clients.map((clients) => clients.call("resume", connections / processes)));
        await rig.reached(last);
      });
      // One more, in its place: nobody has got anything twice, or is left behind.
      await rig.reached(await rig.publish(1));
      return { time, cpu: cpu / connections };
    } finally {
      await rig.close();
    }
  });
}

/** Profiles a contender's server over so many windows of a measure; tells what took the most time. */
export async function profile(name: Name, scale: Scale, measure: Windowed<unknown>): Promise<string> {
  return withRigs([name], scale, async (rigs) => {
    const rig = rigs.get(name) as Rig;
    await measure(rig, scale);
    await rig.server.call("startProfile");
    await turns.inRounds([name], scale.rounds, () => measure(rig, scale));
    return (await rig.server.call("endProfile")) ?? "";
  });
}

/** One window of a measure. */
export type Windowed<Figures> = (rig: Rig, scale: Scale) => Promise<Figures>;

/** Measures with rigs that stay open, in short windows by turns. */
export function inWindows<Figures>(
  names: readonly Name[],
  scale: Scale,
  measure: Windowed<Figures>,
): Promise<Results<Figures>> {
  return withRigs(names, scale, (rigs) => turns.inWindows(rigs, scale, measure));
}

function withRigs<Result>(
  names: readonly Name[],
  { connections }: Scale,
  work: (rigs: ReadonlyMap<Name, Rig>) => Promise<Result>,
): Promise<Result> {
  return turns.withRigs(names, (name) => openRig(name, EVENT_BYTES), connections, work);
}

async function paced(
  rig: Rig,
  count: number,
  rate: number,
  maxGrowth?: number,
): Promise<{ p50: number; p99: number; growth: number; published: number }> {
  const [clients] = rig.clients;
  await clients?.call("record");
  const { last, growth, published } = await rig.server.call("pace", count, rate, maxGrowth);
  await rig.reached(last);
  return { ...((await clients?.call("recorded")) ?? { p50: NaN, p99: NaN }), growth, published };
}
