import { expect } from "vitest";
import type { Behaviour } from "../adapter-suite.ts";
import type { StreamClient } from "../client.ts";
import { retainedEvents } from "../fixtures.ts";
import type { Stage } from "../stage.ts";

/** How soon an event that was published is to be with a reader, in ms: by the doorbell, before any store is polled. */
const SOON = 2500;

/** How channels are read: live, from where a client was, across a gap, and to their end. */
export const channelling: Readonly<Record<string, Behaviour>> = {
  "tells the reader of a channel that it is live, and then what is published, the same to all": async (stage) => {
    await stage.publish(1, 2);
    const clients = await Promise.all(Array.from({ length: 10 }, () => openLive(stage)));
    const last = await stage.publish(3, 3);
    await stage.publish(6);
    for (const client of clients) {
      await client.until(hasEvents(4));
      expect(client.headers["sluice-resume"]).toBe("fresh");
      expect(dataOf(client)).toEqual(numbers(3, 6));
      expect(client.events).toEqual(clients[0]?.events);
    }
    expect(clients[0]?.events[3]?.id).toBe(last);
  },

  "begins a channel where the option start says": async (stage) => {
    await stage.publish(1, 3);
    const client = await stage.open("/channel-from-start");
    await client.until(isLive);
    expect(dataOf(client)).toEqual(numbers(1, 3));
  },

  "goes on from the last event that a client had, with no event missing or twice": async (stage) => {
    const first = await openLive(stage);
    await stage.publish(1, 3);
    await first.until(hasEvents(3));
    first.reset();
    // As if the third had been lost on the way.
    await stage.publish(4, 5);
    const second = await openLive(stage, first.events.find(({ data }) => data === "2")?.id);
    await stage.publish(9);
    await second.until(hasEvents(7));
    expect(second.headers["sluice-resume"]).toBe("resumed");
    expect(dataOf(second)).toEqual(numbers(3, 9));
  },

  "goes on for a client that was live and had seen no event": async (stage) => {
    await stage.publish(1);
    const first = await openLive(stage);
    first.leave();
    await stage.publish(2, 2);
    const second = await openLive(stage, first.events[0]?.id);
    expect([second.headers["sluice-resume"], dataOf(second)]).toEqual(["resumed", numbers(2, 3)]);
  },

  "tells a client of the gap when what it missed is gone, and goes on with what there is": async (stage) => {
    const id = await stage.publish(1);
    await stage.publish(2, retainedEvents + 5);
    const client = await openLive(stage, id);
    expect(client.headers["sluice-resume"]).toBe("gap");
    expect(client.events[0]).toMatchObject({ event: "sluice.gap", data: '{"reason":"truncated"}' });
    expect(dataOf(client)).toEqual(numbers(7, retainedEvents + 6));
  },

  "tells a client whose last event ID it does not know of the gap, and echoes nothing of it": async (stage) => {
    await stage.publish(1, 2);
    const client = await openLive(stage, "not-of-this-log");
    expect(client.headers["sluice-resume"]).toBe("gap");
    expect(client.events[0]).toMatchObject({ event: "sluice.gap", data: '{"reason":"unknown"}' });
    expect(client.text + JSON.stringify(client.headers)).not.toContain("not-of-this-log");
    expect(dataOf(client)).toEqual(numbers(1, 2));
  },

  "ends the readers of a channel that is closed, and answers 204 when they come back": async (stage) => {
    const client = await openLive(stage);
    await stage.publish(1);
    await stage.seal();
    expect(await client.ended).toBe("complete");
    expect(client.events.slice(1).map(({ event, data }) => [event, data])).toEqual([
      [undefined, "1"],
      ["sluice.end", "{}"],
    ]);
    const back = await stage.read("/channel", { headers: { "Last-Event-ID": "sluice.end" } });
    expect([back.status, back.text]).toEqual([204, ""]);
    const late = await stage.read("/channel-from-start");
    expect(dataOf(late)).toEqual(["1"]);
    expect([late.end, late.events.at(-1)?.event]).toEqual(["complete", "sluice.end"]);
  },

  "lets a reader of a channel that was ended for its age come back and miss nothing": async (stage) => {
    const first = await stage.open("/channel-aging");
    await first.until(isLive);
    await stage.publish(1, 2);
    expect(await first.ended).toBe("complete");
    expect(first.events.map(({ event }) => event)).not.toContain("sluice.end");
    await stage.publish(3, 2);
    const second = await stage.open("/channel-aging", { headers: { "Last-Event-ID": first.events.at(-1)?.id } });
    await second.until(isLive);
    expect([...dataOf(first), ...dataOf(second)]).toEqual(numbers(1, 4));
    await stage.until((records) => records.length === 2 && records.every(({ closed }) => closed === "max-age"), 2500);
  },

  "gives twenty readers of a channel that are reset again and again exact histories": async (stage) => {
    const total = 200;
    const clients = await Promise.all(Array.from({ length: 20 }, () => openLive(stage)));
    const histories = clients.map((client, reader) => follow(stage, client, 3 + reader));
    for (let from = 1; from <= total; from += 10) await stage.publish(from, 10);
    await stage.seal();
    expect(await Promise.all(histories)).toEqual(clients.map(() => numbers(1, total)));
  },

  "lets no reader of a channel wait for another that reads nothing": async (stage) => {
    const stalled = await openLive(stage);
    stalled.pause();
    const reader = await openLive(stage);
    for (let from = 1; from <= 40; from += 4) {
      await stage.publish(from, 4);
      await reader.until(hasEvents(from + 3), SOON);
    }
    stalled.resume();
    await stalled.until(hasEvents(40));
    expect(dataOf(stalled)).toEqual(numbers(1, 40));
  },
};

async function openLive(stage: Stage, lastEventId?: string): Promise<StreamClient> {
  const client = await stage.open("/channel", { headers: { "Last-Event-ID": lastEventId } });
  await client.until(isLive);
  return client;
}

function isLive({ events }: StreamClient): boolean {
  return events.some(({ event }) => event === "sluice.live");
}

/** Reads a channel to its end, with one client after another that is reset after so many events. */
async function follow(stage: Stage, first: StreamClient, every: number): Promise<readonly string[]> {
  const history: string[] = [];
  for (let client = first; ;) {
    await client.until(({ events, end }) => end !== undefined || events.length >= every);
    client.reset();
    history.push(...dataOf(client));
    const last = client.events.at(-1);
    if (last?.event === "sluice.end") return history;
    client = await stage.open("/channel", { headers: { "Last-Event-ID": last?.id } });
  }
}

/** The data of the channel's own events. */
function dataOf({ events }: StreamClient): readonly string[] {
  return events.filter(({ event }) => event === undefined).map(({ data }) => data);
}

function hasEvents(count: number): (client: StreamClient) => boolean {
  return (client) => dataOf(client).length === count;
}

function numbers(from: number, to: number): readonly string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => `${from + index}`);
}
