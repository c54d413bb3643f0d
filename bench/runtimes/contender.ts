// The two contenders, without what differs from platform to platform. Nothing of Node is used here: it runs on all of them.
import { createHub, encodeEvent } from "@sluice/core";
import type { Channel } from "@sluice/core";
import { idOf, payloadOf } from "../fanout/wire.ts";
import type { Payload } from "../fanout/wire.ts";

/** A server of one channel. */
export interface Contender<Handler> {
  /** The platform's own kind of handler, which answers with the stream. */
  readonly stream: Handler;
  /** Sends events that come together to all who listen. */
  publish(payloads: readonly Payload[]): unknown;
  /** How many listen. */
  connections(): number;
}

/** A platform's `eventStream`, with its defaults, but for what would cut off the stalled. */
export function ours<Handler>(
  eventStream: (source: Channel, options: { readonly writeDeadline: false }) => Handler,
): Contender<Handler> {
  const hub = createHub();
  const channel = hub.channel("bench");
  return {
    stream: eventStream(channel, { writeDeadline: false }),
    publish: (payloads) => channel.publish(payloads.map((data) => ({ data }))),
    connections: () => hub.stats().connections,
  };
}

/**
 * The least that a server can do: no keep-alive, no resume, no regard for those who do not read.
 *
 * @param stream makes the handler, which puts its clients into the set
 * @param write what the platform has for that; all clients are given the same bytes
 */
export function raw<Handler, Client, Bytes>(
  stream: (clients: Set<Client>) => Handler,
  encode: (text: string) => Bytes,
  write: (client: Client, bytes: Bytes) => unknown,
): Contender<Handler> {
  const clients = new Set<Client>();
  return {
    stream: stream(clients),
    publish(payloads) {
      for (const payload of payloads) {
        const bytes = encode(encodeEvent({ id: idOf(payload.seq), data: JSON.stringify(payload) }));
        for (const client of clients) write(client, bytes);
      }
    },
    connections: () => clients.size,
  };
}

const utf8 = new TextEncoder();

/** The loop where a handler answers with a `Response`: each client has a stream, and bytes are put into all of them. */
export function rawStreams(): Contender<() => Response> {
  type Controller = ReadableStreamDefaultController<Uint8Array>;
  const stream = (clients: Set<Controller>) => (): Response => {
    let own: Controller;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        own = controller;
        controller.enqueue(utf8.encode(":\n\n"));
        clients.add(controller);
      },
      cancel() {
        clients.delete(own);
      },
    });
    return new Response(body, { headers: { "Content-Type": "text/event-stream", "Cache-Control": "no-store" } });
  };
  return raw(
    stream,
    (text) => utf8.encode(text),
    (client, bytes) => client.enqueue(bytes),
  );
}

/** What a server answers for each path that is not the stream's: `/publish?count=10&together=10` and `/connections`. */
export function commandsOf(
  { publish, connections }: Contender<unknown>,
  eventBytes: number,
): (target: string) => Promise<string> {
  let seq = 0;
  return async (target) => {
    const { pathname, searchParams } = new URL(target, "http://localhost");
    if (pathname !== "/publish") return `${connections()}`;
    const together = Number(searchParams.get("together"));
    for (let left = Number(searchParams.get("count")); left > 0; left -= together) {
      // These runtimes have no clock in common: when it was published is not asked.
      await publish(Array.from({ length: Math.min(left, together) }, () => payloadOf(++seq, 0, eventBytes)));
    }
    return `${seq}`;
  };
}
