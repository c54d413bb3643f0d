// Many clients, in a process of their own: `crowd.ts http1 | http2`.
import { createDecoder } from "@sluice/core";
import type { DecodedEvent } from "@sluice/core";
import { answer } from "../../bench/fanout/remote.ts";
import { Requester } from "./request.ts";
import type { Protocol, Response } from "./request.ts";

/** The numbers of the events that a client has got, in order, and among them each gap with its reason. */
export type History = readonly (number | string)[];

/** So many connect at once: more than the kernel lets wait would be told a second later. */
const AT_ONCE = 400;

class Client {
  readonly history: (number | string)[] = [];
  hasEnded = false;
  /** The number of the newest event. */
  last = 0;
  #lastEventId: string | undefined = undefined;
  #response: Response | undefined = undefined;
  #onLive: () => void = () => {};

  /** Resolves when it would get what is published; what comes then is left unread. */
  async connect(url: string): Promise<void> {
    this.#response = await requester.request(url, this.#lastEventId);
    const { status, body } = this.#response;
    if (status !== 200) throw new Error(`The server has answered ${status}`);
    const decoder = createDecoder({ onEvent: this.#note });
    this.hasEnded = false;
    body.once("close", () => {
      this.hasEnded = true;
      look();
    });
    await new Promise<void>((resolve) => {
      this.#onLive = resolve;
      body.on("data", (chunk: Buffer) => decoder.push(chunk));
    });
  }

  read(): void {
    this.#response?.body.resume();
  }

  reset(): void {
    this.#response?.reset();
  }

  readonly #note = ({ event, data, id }: DecodedEvent): void => {
    this.#lastEventId = id;
    if (event === "sluice.live") {
      this.#response?.body.pause();
      this.#onLive();
      return;
    }
    if (event === "sluice.gap") this.history.push(`gap: ${(JSON.parse(data) as { reason: string }).reason}`);
    else this.history.push((this.last = Number.parseInt(data, 10)));
    look();
  };
}

const requester = new Requester(process.argv[2] as Protocol);
const groups = new Map<string, Client[]>();
let awaited: { readonly holds: () => boolean; readonly resolve: () => void } | undefined;
let isLooking = false;

const commands = {
  /** Opens so many connections, which are read until they are live. */
  async open(group: string, url: string, count: number): Promise<void> {
    const clients = Array.from({ length: count }, () => new Client());
    groups.set(group, clients);
    await inTurns(clients, (client) => client.connect(url));
  },

  /** Reads from now on. */
  read(group: string): void {
    for (const client of of(group)) client.read();
  },

  /** Opens connections again, over so many ms, from where each has come to, and reads them. */
  async reconnect(group: string, url: string, over: number): Promise<void> {
    const clients = of(group);
    const startedAt = performance.now();
    await inTurns(clients, async (client, i) => {
      const wait = startedAt + (i / clients.length) * over - performance.now();
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, wait)));
      await client.connect(url);
      client.read();
    });
  },

  /** Resolves when all of the group have got this event, or a later one. */
  reached: (group: string, n: number): Promise<void> => until(() => of(group).every(({ last }) => last >= n)),

  /** Resolves when all connections of the group are over. */
  ended: (group: string): Promise<void> => until(() => of(group).every((client) => client.hasEnded)),

  reset(group: string): void {
    for (const client of of(group)) client.reset();
  },

  /** What the clients of the group have got; those that have got the same are one, with their number. */
  histories(group: string): { readonly history: History; readonly clients: number }[] {
    const distinct = new Map<string, { history: History; clients: number }>();
    for (const { history } of of(group)) {
      const key = history.join();
      const same = distinct.get(key);
      if (same === undefined) distinct.set(key, { history, clients: 1 });
      else same.clients++;
    }
    return [...distinct.values()];
  },
};

export type CrowdCommands = typeof commands;

answer(commands);

function of(group: string): readonly Client[] {
  return groups.get(group) ?? [];
}

function until(holds: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    awaited = { holds, resolve };
    look();
  });
}

/** Once for all that comes in together: looking at ten thousand after each event would be all that is done here. */
function look(): void {
  if (isLooking) return;
  isLooking = true;
  setImmediate(() => {
    isLooking = false;
    if (awaited?.holds() !== true) return;
    awaited.resolve();
    awaited = undefined;
  });
}

async function inTurns(clients: readonly Client[], work: (client: Client, i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < clients.length) {
      const i = next++;
      await work(clients[i] as Client, i);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
