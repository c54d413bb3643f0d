// A process of its own, with --expose-gc: an app like any other, and what is left of its connections when asked.
import { createHook } from "node:async_hooks";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { promisify } from "node:util";
import { eventStream } from "@sluice/adapter-express";
import express from "express";

/** What the process answers when it is sent a message. */
export interface Leftovers {
  readonly openConnections: number;
  readonly timers: number;
  readonly activeResources: number;
  readonly listeners: number;
  readonly started: number;
  readonly finallyRan: number;
  readonly aborted: number;
  readonly errors: readonly string[];
  /** After a collection, in bytes. */
  readonly heap: number;
}

const timers = new Set<number>();
createHook({
  // The only way to see timers that do not keep the process alive.
  init(id, type) {
    if (type === "Timeout") timers.add(id);
  },
  destroy(id) {
    timers.delete(id);
  },
}).enable();

let started = 0;
let finallyRan = 0;
let aborted = 0;
const errors: string[] = [];
process.on("unhandledRejection", (reason) => errors.push(`unhandled: ${String(reason)}`));

const app = express();
app.use(express.json());
app.post(
  "/events",
  eventStream(
    async function* ({ signal, native: { req } }) {
      started++;
      signal.addEventListener("abort", () => aborted++);
      try {
        yield { data: req.body as unknown };
        // Half of them wait, half of them work.
        for (let tick = 0; started % 2 === 0 && !signal.aborted; tick++) {
          yield { data: { tick } };
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        await new Promise<void>((resolve) => {
          if (signal.aborted) resolve();
          else signal.addEventListener("abort", () => resolve());
        });
      } finally {
        finallyRan++;
      }
    },
    { onError: (error) => errors.push(String(error)) },
  ),
);

const server = createServer(app);
server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
process.on("message", () => {
  leftovers().then(
    (answer) => process.send?.(answer),
    (error: unknown) => {
      throw error;
    },
  );
});

async function leftovers(): Promise<Leftovers> {
  const openConnections = await promisify(server.getConnections.bind(server))();
  for (let turn = 0; turn < 3; turn++) {
    globalThis.gc?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return {
    openConnections,
    timers: timers.size,
    activeResources: process.getActiveResourcesInfo().length,
    listeners: [process, server].flatMap((emitter) =>
      emitter.eventNames().flatMap((name) => emitter.listeners(name as "message")),
    ).length,
    started,
    finallyRan,
    aborted,
    errors,
    heap: process.memoryUsage().heapUsed,
  };
}
