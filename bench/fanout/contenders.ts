import type { IncomingMessage, ServerResponse } from "node:http";
import { eventStream } from "@sluice/adapter-node";
import { createHub, encodeEvent } from "@sluice/core";
import { createChannel, createSession } from "better-sse";
import { idOf } from "./wire.ts";
import type { Name, Payload } from "./wire.ts";

/** A server of one channel. */
export interface Contender {
  handle(req: IncomingMessage, res: ServerResponse): void;
  /** Sends events that come together to all who listen. */
  publish(payloads: readonly Payload[]): unknown;
}

/** Each with its defaults, but for what would cut off the stalled. */
export const contenders: Readonly<Record<Name, () => Contender>> = {
  raw: () => raw((events) => events),
  joined: () => raw((events) => [Buffer.concat(events)]),
  "better-sse": betterSse,
  ours,
};

/** The least that a server can do: no keep-alive, no resume, no regard for those who do not read. */
function raw(writesOf: (events: readonly Buffer[]) => readonly Buffer[]): Contender {
  const responses = new Set<ServerResponse>();
  return {
    handle(_, res) {
      res.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
      res.write(":\n\n");
      responses.add(res);
      res.once("close", () => responses.delete(res));
    },
    publish(payloads) {
      const events = payloads.map((payload) =>
        Buffer.from(encodeEvent({ id: idOf(payload.seq), data: JSON.stringify(payload) })),
      );
      for (const bytes of writesOf(events)) {
        for (const res of responses) res.write(bytes);
      }
    },
  };
}

function betterSse(): Contender {
  const channel = createChannel();
  return {
    async handle(req, res) {
      channel.register(await createSession(req, res));
    },
    publish(payloads) {
      for (const payload of payloads) channel.broadcast(payload, "message", { eventId: idOf(payload.seq) });
    },
  };
}

function ours(): Contender {
  const channel = createHub().channel("bench");
  return {
    handle: eventStream(channel, { writeDeadline: false }),
    publish(payloads) {
      return channel.publish(payloads.map((data) => ({ data })));
    },
  };
}
