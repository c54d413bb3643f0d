import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createParser } from "eventsource-parser";
import { EventSource } from "undici";
import { expect, test } from "vitest";
import { encodeEvent } from "../src/index.ts";
import type { ServerSentEvent } from "../src/index.ts";
import { GeneratedEvents } from "./generated-events.ts";

// What encodeEvent writes, as read by readers that others wrote: generated events must come out as they went in.

interface Received {
  readonly type: string;
  readonly data: string;
  readonly lastEventId: string;
}

const types = ["message", "a", "é: x", " b "];

test("eventsource-parser reads what encodeEvent writes", () => {
  const events = generatedEvents(20_000);
  const received: Received[] = [];
  const times: number[] = [];
  let lastEventId = "";
  const parser = createParser({
    onEvent: ({ event, data, id = lastEventId }) => received.push({ type: event ?? "message", data, lastEventId: id }),
    onId: (id) => {
      lastEventId = id;
    },
    onRetry: (time) => times.push(time),
  });
  const utf8 = new TextDecoder();
  for (const event of events) {
    parser.feed(utf8.decode(new TextEncoder().encode(encodeEvent(event)), { stream: true }));
  }
  expect(received).toEqual(receivedOf(events));
  expect(times).toEqual(events.flatMap(({ retry }) => (retry === undefined ? [] : [retry])));
});

test("the EventSource of undici receives what encodeEvent writes", async () => {
  const events = generatedEvents(5_000);
  const expected = receivedOf(events);
  const bytes = Buffer.from(events.map(encodeEvent).join("") + encodeEvent({ event: "end", data: "" }));
  const server = createServer((_request, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    // Cut where no line ends, so that the reader has to put lines together.
    for (let at = 0; at < bytes.length; at += 1_009) response.write(bytes.subarray(at, at + 1_009));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const source = new EventSource(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  try {
    const received: Received[] = [];
    await new Promise<void>((resolve, reject) => {
      for (const type of types) {
        source.addEventListener(type, (event) => {
          const { data, lastEventId } = event as MessageEvent<string>;
          received.push({ type, data, lastEventId });
        });
      }
      source.addEventListener("end", () => resolve());
      source.addEventListener("error", () => reject(new Error("The EventSource failed")));
    });
    expect(received).toEqual(expected);
  } finally {
    source.close();
    server.closeAllConnections();
    server.close();
  }
});

function generatedEvents(count: number): ServerSentEvent<string>[] {
  const source = new GeneratedEvents(count);
  return Array.from({ length: count }, () => {
    const event = source.next();
    return event.event === undefined ? event : { ...event, event: types[source.below(types.length)] };
  });
}

function receivedOf(events: readonly ServerSentEvent<string>[]): Received[] {
  let lastEventId = "";
  return events.flatMap(({ event: type = "message", data, id }) => {
    lastEventId = id?.toWellFormed() ?? lastEventId;
    return data === undefined ? [] : [{ type, data: data.replace(/\r\n?/g, "\n").toWellFormed(), lastEventId }];
  });
}
