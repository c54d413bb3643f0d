import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { channelling } from "./behaviours/channelling.ts";
import { delivering } from "./behaviours/delivering.ts";
import { ending } from "./behaviours/ending.ts";
import { flowing } from "./behaviours/flowing.ts";
import { heading, headingBesideFramework } from "./behaviours/heading.ts";
import { leaving, lettingGo } from "./behaviours/leaving.ts";
import { multiplexing } from "./behaviours/multiplexing.ts";
import { opening } from "./behaviours/opening.ts";
import { pipelining } from "./behaviours/pipelining.ts";
import { refusing } from "./behaviours/refusing.ts";
import { resuming } from "./behaviours/resuming.ts";
import { writeReport } from "./compatibility.ts";
import type { CompatibilityReport, ShownBehaviour } from "./compatibility.ts";
import { Stage } from "./stage.ts";
import type { StartedServer } from "./stage.ts";

/** Shows one behaviour, or throws. */
export type Behaviour = (stage: Stage) => Promise<void>;

/** A behaviour that a platform cannot have. */
export interface Exception {
  /** Why, with a link to who says so. */
  readonly reason: string;
  /** What is shown in its place. */
  readonly instead?: Behaviour | undefined;
}

/** By the name of the behaviour: a reason, or a reason with what holds in its place. */
export type Exceptions = Readonly<Record<string, string | Exception>>;

const CLEAN = "leaves no connection open and no rejection unhandled, after all that";

/** Options of {@link adapterSuite}. */
export interface AdapterSuiteOptions {
  /** What the table of compatibility calls the platform. Default: the name of the enclosing `describe`. */
  readonly platform?: string | undefined;
  /** Shows, too, what many streams on one HTTP/2 session do to each other. Default false. */
  readonly http2?: boolean | undefined;
  /** Shows, too, that a framework's headers and ours get on; `createFixtures` has the option `setHeader`. Default false. */
  readonly framework?: boolean | undefined;
  /** Shows, too, what requests get that are pipelined. Default false. */
  readonly pipelining?: boolean | undefined;
}

/**
 * Defines the tests that every adapter passes, with vitest: over real sockets, against a server that mounts the
 * fixtures of `createFixtures`.
 *
 * An exception is tested too: when the platform has learnt the behaviour, the suite fails until the exception is gone.
 * With `SLUICE_COMPATIBILITY`, the name of a folder, a `CompatibilityReport` of what was shown is written there.
 *
 * @param start starts the server, before the first test; it is closed after the last
 * @param exceptions the behaviours that this platform cannot have, by name; each is printed with its reason
 * @param options what the platform is called, and what else it has
 *
 * @example
 * ```ts ignore
 * import { createServer } from "node:http";
 * import { eventStream } from "@sluice/adapter-node";
 * import { adapterSuite, createFixtures, serveNode } from "@sluice/testkit";
 *
 * adapterSuite(() => {
 *   const { handlerFor } = createFixtures(eventStream, ({ res }, json) => res.end(json));
 *   return serveNode(createServer((req, res) => handlerFor(req.url ?? "/")?.(req, res)));
 * });
 * ```
 */
export function adapterSuite(
  start: () => Promise<StartedServer>,
  exceptions: Exceptions = {},
  { platform, http2 = false, framework = false, pipelining: isPipelined = false }: AdapterSuiteOptions = {},
): void {
  const topics: Readonly<Record<string, Readonly<Record<string, Behaviour>>>> = {
    Opening: opening,
    Headers: heading,
    ...(framework && { "Headers beside a framework's": headingBesideFramework }),
    Delivery: delivering,
    Refusals: refusing,
    "The last event ID": resuming,
    Channels: channelling,
    "How a stream ends": ending,
    "Clients that leave": leaving,
    Flow: flowing,
    ...(isPipelined && { "Requests that are pipelined": pipelining }),
    ...(http2 && { "HTTP/2": multiplexing }),
  };
  const last = { ...lettingGo, [CLEAN]: isClean };
  const behaviours = Object.entries({ ...topics, "What is left": last }).flatMap(([topic, shows]) =>
    Object.entries(shows).map(([name, behaviour]) => ({ topic, name, behaviour })),
  );
  const unknown = Object.keys(exceptions).filter((name) => !behaviours.some((behaviour) => behaviour.name === name));
  if (unknown.length > 0) throw new Error(`Cannot make exceptions: there is no behaviour "${unknown.join('", "')}"`);

  const outcomes = new Map<string, ShownBehaviour["outcome"]>();
  let server: StartedServer;
  beforeAll(async () => {
    server = await start();
  }, 30_000);
  // vitest reads from the pattern what is wanted of the context, and gives the suite behind it.
  // oxlint-disable-next-line no-empty-pattern
  afterAll(async ({}, suite) => {
    if (server === undefined) return;
    try {
      // Where some were filtered out and not run, what is left is no report.
      if (outcomes.size === behaviours.length) await writeReport(await reportOf(platform ?? suite.name));
    } finally {
      await server.close();
    }
  });

  const reportOf = async (name: string): Promise<CompatibilityReport> => ({
    platform: name,
    runtime: (await new Stage(server).report()).runtime,
    behaviours: behaviours.map((behaviour) => ({
      topic: behaviour.topic,
      name: behaviour.name,
      outcome: outcomes.get(behaviour.name) ?? "failed",
      ...explanationOf(exceptions[behaviour.name]),
    })),
  });
  const show = async (behaviour: Behaviour): Promise<void> => {
    const stage = new Stage(server);
    try {
      await behaviour(stage);
    } finally {
      stage.leave();
    }
  };
  const define = (name: string, behaviour: Behaviour): void => {
    const exception = exceptions[name];
    if (exception === undefined) {
      test(name, { timeout: 20_000 }, async () => {
        outcomes.set(name, "failed");
        await show(behaviour);
        outcomes.set(name, "passed");
      });
      return;
    }
    const { reason, instead } = fullException(exception);
    console.info(`Exception: does not do this: ${name}. ${reason}`);
    test(`does not do this: ${name} (${reason})`, { timeout: 30_000 }, async () => {
      outcomes.set(name, "failed");
      const passed = await show(behaviour).then(
        () => true,
        () => false,
      );
      expect(passed, "the behaviour passes, so its exception is no longer needed").toBe(false);
      if (instead !== undefined) await show(instead);
      outcomes.set(name, "exception");
    });
  };

  describe.concurrent("an adapter", () => {
    for (const { name, behaviour } of behaviours) if (!(name in last)) define(name, behaviour);
  });
  // After the others, not beside them.
  for (const [name, behaviour] of Object.entries(last)) define(name, behaviour);
}

const isClean: Behaviour = async (stage) => {
  const startedAt = performance.now();
  let report = await stage.report();
  // Some platforms notice that a client has gone when they next write: the default keep-alive comes after 10 seconds.
  while (report.open > 0 && performance.now() - startedAt < 12_000) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    report = await stage.report();
  }
  expect(report.connections.filter(({ closed }) => closed === undefined)).toEqual([]);
  expect(report.unhandledRejections).toEqual([]);
};

function fullException(exception: string | Exception): Exception {
  return typeof exception === "string" ? { reason: exception } : exception;
}

function explanationOf(exception: string | Exception | undefined): Pick<ShownBehaviour, "reason" | "hasSubstitute"> {
  if (exception === undefined) return {};
  const { reason, instead } = fullException(exception);
  return { reason, hasSubstitute: instead !== undefined };
}
