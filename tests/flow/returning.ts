// Clients that come back, in a process of their own: `returning.ts http1 | http2 URL NEXT_URL`, the server's that goes and
// that of the one after it.
import { createDecoder } from "@sluice/core";
import { answer } from "../../bench/fanout/remote.ts";
import { Requester } from "./request.ts";
import type { Protocol } from "./request.ts";

const [protocol, url, nextUrl] = process.argv.slice(2) as [Protocol, string, string];

/** So many connect at once: more than the kernel lets wait would be told a second later. */
const AT_ONCE = 400;

/** One that was answered, to its end. */
interface Visit {
  /** Whether an event has come. */
  readonly hadEvents: boolean;
  readonly endedCleanly: boolean;
  /** In ms; undefined where it was told none. */
  readonly retry: number | undefined;
}

const requester = new Requester(protocol, 40);

/** What the clients have done since they came. Times are in ms since the epoch. */
const noted = {
  /** When those who honour the reconnection time have come back, and when those who do not have. */
  patient: [] as number[],
  hasty: [] as number[],
  /** How many streams were cut off, or named no reconnection time. */
  rude: 0,
  /** Those who came back at once to the server that goes: how many it has told to come later, and how many it has not let in. */
  toldToWait: 0,
  refused: 0,
  /** How many are at the next server. */
  arrived: 0,
};

const commands = {
  /** As a native EventSource does: waits for as long as it was told, and comes back. */
  patient: (count: number): Promise<void> =>
    open(count, async ({ retry = 0 }) => {
      await sleep(retry);
      noted.patient.push(Date.now());
      await arrive();
    }),

  /** Comes back as soon as its stream has ended, and waits only then. */
  hasty: (count: number): Promise<void> =>
    open(count, async () => {
      noted.hasty.push(Date.now());
      const { retry = 0 } = await comeBackEarly();
      await sleep(retry);
      await arrive();
    }),

  /** Reads nothing, ever. */
  async stalled(count: number): Promise<void> {
    await atOnce(count, async () => void (await requester.request(`${url}/flood`, undefined)));
  },

  /** How many connections of the server hold all that they can. */
  async full(): Promise<number> {
    const { body } = await requester.request(`${url}/full`, undefined);
    let full = NaN;
    const decoder = createDecoder({ onEvent: ({ data }) => (full = Number(data)) });
    for await (const chunk of body) decoder.push(chunk as Buffer);
    return full;
  },

  noted: (): typeof noted => noted,
};

export type ReturningCommands = typeof commands;

answer(commands);

/** Resolves when all have been answered. */
async function open(count: number, thenDo: (visit: Visit) => Promise<void>): Promise<void> {
  await atOnce(count, async () => {
    const { ended } = await visit(url);
    void ended.then((visited) => {
      if (!visited.endedCleanly || visited.retry === undefined) noted.rude++;
      return thenDo(visited);
    });
  });
}

async function comeBackEarly(): Promise<Partial<Visit>> {
  try {
    const visited = await (await visit(url)).ended;
    if (visited.endedCleanly && visited.retry !== undefined && !visited.hadEvents) noted.toldToWait++;
    return visited;
  } catch {
    noted.refused++;
    return {};
  }
}

async function arrive(): Promise<void> {
  await visit(nextUrl);
  noted.arrived++;
}

/** Resolves when the server has answered. */
async function visit(server: string): Promise<{ readonly ended: Promise<Visit> }> {
  const { status, body } = await requester.request(`${server}/news`, undefined);
  if (status !== 200) throw new Error(`The server has answered ${status}`);
  let hadEvents = false;
  let endedCleanly = false;
  const decoder = createDecoder({ onEvent: () => (hadEvents = true) });
  body.on("data", (chunk: Buffer) => decoder.push(chunk));
  body.once("end", () => (endedCleanly = true));
  const ended = new Promise<Visit>((resolve) => {
    body.once("close", () => resolve({ hadEvents, endedCleanly, retry: decoder.reconnectionTime }));
  });
  return { ended };
}

async function atOnce(count: number, work: () => Promise<void>): Promise<void> {
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await work();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
