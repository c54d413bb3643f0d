import { expect } from "vitest";
import type { Behaviour } from "../adapter-suite.ts";
import { firehoseBytes, patientWriteDeadline } from "../fixtures.ts";
import type { Stage } from "../stage.ts";

/** The most that the buffers between a source and a client that reads nothing may hold: the kernel's, and the platform's. */
const MOST_IN_BUFFERS = 16 * 1024 * 1024;

/** What happens when the client is slower than the source, or the source says nothing. */
export const flowing: Readonly<Record<string, Behaviour>> = {
  "stops pulling the source of a client that reads nothing": async (stage) => {
    const client = await stage.open("/firehose");
    client.pause();
    const pulls = await settledPulls(stage);
    expect(pulls * firehoseBytes).toBeLessThan(MOST_IN_BUFFERS);
    client.resume();
    await stage.until(([record]) => (record?.pulls ?? 0) > pulls, 5000);
  },

  "cuts off a client that takes nothing for as long as the write deadline": async (stage) => {
    const client = await stage.open("/deadline");
    client.pause();
    await stage.until(([record]) => record?.closed !== undefined && record.aborted && record.finallyRan, 8000);
    expect(await stage.records()).toMatchObject([{ closed: "write-deadline", errors: [] }]);
    client.resume();
    expect(await client.ended).toBe("broken");
  },

  "does not cut off a client that reads slowly": async (stage) => {
    const client = await stage.open("/patient");
    client.readSlowly(65_536, 15);
    await new Promise((resolve) => setTimeout(resolve, 1.5 * patientWriteDeadline));
    expect(await stage.records()).toMatchObject([{ finallyRan: false, errors: [] }]);
    expect((await stage.records())[0]?.closed).toBeUndefined();
    expect(client.end).toBeUndefined();
  },

  "sends comments while there is nothing else to send": async (stage) => {
    const client = await stage.open("/keep-alive");
    await client.until(({ comments }) => comments.length >= 4);
    expect(client.events).toEqual([{ data: "ready" }]);
  },

  "keeps a stream without events open for longer than the server lets connections be idle": async (stage) => {
    const { idleLimit = 500 } = stage.server;
    const clients = await Promise.all(["/keep-alive", "/quiet"].map((path) => stage.open(path)));
    await Promise.all(clients.map((client) => client.until(({ events }) => events.length > 0)));
    await new Promise((resolve) => setTimeout(resolve, 1.5 * idleLimit + 500));
    expect(clients.map(({ end }) => end)).toEqual([undefined, undefined]);
    expect((await stage.records()).map(({ closed }) => closed)).toEqual([undefined, undefined]);
  },
};

/** How many values the source has produced, once it produces no more. */
async function settledPulls(stage: Stage): Promise<number> {
  const startedAt = performance.now();
  let pulls = 0;
  let since = startedAt;
  while (performance.now() - since < 400) {
    await new Promise((resolve) => setTimeout(resolve, 40));
    const [record] = await stage.records();
    const now = record?.pulls ?? 0;
    if (now === 0 || now !== pulls) since = performance.now();
    pulls = now;
    if (pulls * firehoseBytes > MOST_IN_BUFFERS || performance.now() - startedAt > 8000) break;
  }
  return pulls;
}
