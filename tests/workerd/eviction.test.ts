import { fileURLToPath } from "node:url";
import { EventSource } from "eventsource";
import { describe, expect, onTestFinished, test } from "vitest";
import { canRunWorkerd, startWorkerd } from "./start.ts";
import type { Workerd } from "./start.ts";

const CLIENTS = 300;

describe.runIf(canRunWorkerd())("a channel in a Durable Object", () => {
  test(`gives ${CLIENTS} clients exact histories when the object is evicted mid-stream`, { timeout: 120_000 }, () =>
    isExact(async (workerd) => {
      const before = await ask(workerd, "/instance");
      await ask(workerd, "/evict").catch(() => {});
      expect(await ask(workerd, "/instance")).not.toBe(before);
    }),
  );

  test(`gives ${CLIENTS} clients exact histories when workerd is killed mid-stream`, { timeout: 120_000 }, () =>
    isExact(async (workerd) => {
      await workerd.kill();
      await workerd.restart();
    }),
  );
});

/** Publishes while it disturbs three times, and compares what every client has seen with what was acknowledged. */
async function isExact(disturb: (workerd: Workerd) => Promise<void>): Promise<void> {
  const entry = fileURLToPath(new URL("workers/channel.ts", import.meta.url));
  const workerd = await startWorkerd({ entry, className: "ChannelObject" });
  onTestFinished(() => workerd.close());
  const clients = Array.from({ length: CLIENTS }, () => new Client(workerd.url));
  onTestFinished(() => clients.forEach((client) => client.close()));
  await Promise.all(clients.map((client) => client.opened));

  const ids: string[] = [];
  const publishUntil = async (isOver: () => boolean): Promise<void> => {
    while (!isOver()) ids.push(await publish(workerd, ids.length, `${ids.length}`));
  };
  for (let round = 1; round <= 3; round++) {
    let isDisturbed = false;
    const disturbing = pause(500).then(async () => {
      await disturb(workerd);
      isDisturbed = true;
    });
    // An append is under way, and so are what it wakes: nobody waits for either. But all clients have to come back.
    await Promise.all([publishUntil(() => isDisturbed && clients.every(({ opens }) => opens > round)), disturbing]);
  }
  ids.push(await publish(workerd, ids.length, LAST));

  const histories = await Promise.all(clients.map((client) => client.history));
  expect(ids.length).toBeGreaterThan(30);
  expect(new Set(ids.map((id) => id.split(".")[0])).size, "epochs").toBe(1);
  for (const history of histories) expect(history).toEqual(ids);
  const reconnects = clients.map(({ opens }) => opens - 1);
  console.info(
    `${ids.length} events, each to ${CLIENTS} clients that reconnected ${Math.min(...reconnects)} times or more`,
  );
  expect(Math.min(...reconnects)).toBeGreaterThanOrEqual(3);
}

const LAST = "last";

class Client {
  opens = 0;
  readonly opened: Promise<void>;
  /** The ids of all events, and `gap` where it was told of one; resolves with the last event. */
  readonly history: Promise<readonly string[]>;
  readonly #source: EventSource;

  constructor(url: string) {
    const source = new EventSource(url);
    this.#source = source;
    this.opened = new Promise((resolve) => {
      source.addEventListener("open", () => {
        this.opens++;
        resolve();
      });
    });
    this.history = new Promise((resolve, reject) => {
      const history: string[] = [];
      source.addEventListener("sluice.gap", () => history.push("gap"));
      source.addEventListener("message", ({ data, lastEventId }) => {
        history.push(lastEventId);
        if (data === LAST) resolve(history);
      });
      source.addEventListener("error", (error) => {
        if (source.readyState === source.CLOSED) reject(new Error(`Stopped for good: ${error.code} ${error.message}`));
      });
    });
  }

  close(): void {
    this.#source.close();
  }
}

/** Until it is acknowledged: with its producer, an append of unknown outcome takes effect once. */
async function publish(workerd: Workerd, seq: number, data: string): Promise<string> {
  const body = JSON.stringify({ data, producer: { id: "test", epoch: 0, seq } });
  for (;;) {
    try {
      return await ask(workerd, "/publish", body);
    } catch {
      await pause(20);
    }
  }
}

async function ask({ url }: Workerd, path: string, body?: string): Promise<string> {
  const response = await fetch(url + path, { method: "POST", ...(body !== undefined && { body }) });
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return (await response.json()) as string;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
