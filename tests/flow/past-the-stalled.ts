import { start } from "../../bench/fanout/remote.ts";
import type { CrowdCommands, History } from "./crowd.ts";
import type { Protocol } from "./request.ts";
import type { ServerCommands } from "./server.ts";

/** What clients had got when all was over; those that had got the same are one, with their number. */
type Histories = readonly { readonly history: History; readonly clients: number }[];

export interface Outcome {
  /** The number of the last event that was published while the stalled did not read. */
  readonly flood: number;
  /** The number of the last event of all. */
  readonly last: number;
  /** How many events before `flood` the store still had when they read again. */
  readonly retained: number;
  /** How many connections were full when they began to read again, and how many had been cut off as `behind`. */
  readonly full: number;
  readonly behind: number;
  /** By how much the server's resident memory had grown, in bytes. */
  readonly growth: number;
  readonly histories: Readonly<Record<"healthy" | "catch-up" | "skip" | "coalesce" | "disconnect", Histories>>;
}

export interface Flood {
  readonly protocol: Protocol;
  /** Which log of the server: the one that retains little, or the one that retains all. */
  readonly log: "short" | "long";
  readonly healthy: number;
  /** Of each policy. */
  readonly stalled: number;
  readonly megabytes: number;
}

const EVENT_BYTES = 32 * 1024;
const TOGETHER = 16;

/**
 * V8 lets its young generation grow by tens of MB and never shrinks it, though nothing there is kept. Here its size is fixed,
 * so that whatever grows is kept.
 */
const FIXED_YOUNG_GENERATION = ["--min-semi-space-size=16", "--max-semi-space-size=16"];

/** Publishes to clients that read, past others that do not; then these read on. Server and clients have a process each. */
export async function publishPastTheStalled({ protocol, log, healthy, stalled, megabytes }: Flood): Promise<Outcome> {
  const server = start<ServerCommands>(new URL("./server.ts", import.meta.url), [protocol], FIXED_YOUNG_GENERATION);
  const crowd = start<CrowdCommands>(new URL("./crowd.ts", import.meta.url), [protocol]);
  try {
    const url = `${await server.call("url")}/${log}`;
    const policies = ["catch-up", "skip", "coalesce", "disconnect"] as const;
    await crowd.call("open", "healthy", `${url}/catch-up`, healthy);
    await crowd.call("read", "healthy");
    const publications = Math.ceil((megabytes * 1e6) / (TOGETHER * EVENT_BYTES));
    // The same before anybody stalls: what an engine takes for itself while a server is busy is nobody's fault.
    await publishInStep(publications);
    for (const policy of policies) await crowd.call("open", policy, `${url}/${policy}`, stalled);

    await server.call("watchMemory");
    const flood = await publishInStep(publications);
    const growth = await server.call("growth");
    const { full, closed } = await server.call("stats", log);
    const retained = await server.call("retained", log);

    for (const policy of policies) await crowd.call("read", policy);
    for (const policy of ["catch-up", "skip", "coalesce"]) await crowd.call("reached", policy, flood);
    await crowd.call("ended", "disconnect");
    await crowd.call("reconnect", "disconnect", `${url}/disconnect`, 0);
    await crowd.call("reached", "disconnect", flood);
    // One by one: what waited together would be coalesced.
    let last = flood;
    for (let i = 0; i < 20; i++) {
      last = await server.call("publish", log, 1, EVENT_BYTES);
      for (const group of ["healthy", ...policies]) await crowd.call("reached", group, last);
    }

    const histories = {
      healthy: await crowd.call("histories", "healthy"),
      "catch-up": await crowd.call("histories", "catch-up"),
      skip: await crowd.call("histories", "skip"),
      coalesce: await crowd.call("histories", "coalesce"),
      disconnect: await crowd.call("histories", "disconnect"),
    };
    return { flood, last, retained, full, behind: closed.behind ?? 0, growth, histories };
  } finally {
    await crowd.stop();
    await server.stop();
  }

  /** As fast as those who read can take it: two publications are on their way at the most. */
  async function publishInStep(count: number): Promise<number> {
    let before = 0;
    for (let i = 0; i < count; i++) {
      const n = await server.call("publish", log, TOGETHER, EVENT_BYTES);
      await crowd.call("reached", "healthy", before);
      before = n;
    }
    await crowd.call("reached", "healthy", before);
    return before;
  }
}
