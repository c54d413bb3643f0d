// What one event looks like on the wire, for all contenders: known to the servers, which send it, and to the clients, which
// check it.
import { formatEventId } from "@sluice/core";

export type Protocol = "http1" | "http2";

/** The data of an event. */
export interface Payload {
  /** The number of the event, from 1. */
  readonly seq: number;
  /** When it was published, in µs. */
  readonly at: number;
  /** Fills the event up to its size. */
  readonly pad: string;
}

/** How a contender's stream differs from the others'. */
export interface Dialect {
  /** What is in the block after which a connection gets all that is published. */
  readonly ready: string;
  /** What an event has beyond the id and data lines that all write, in bytes. */
  readonly extra: number;
}

export const dialects = {
  raw: { ready: ":", extra: 0 },
  joined: { ready: ":", extra: 0 },
  // It names each event, "event:message", and puts no space after the colons.
  "better-sse": { ready: "retry:", extra: 12 },
  ours: { ready: "event: sluice.live", extra: 0 },
} satisfies Record<string, Dialect>;

export type Name = keyof typeof dialects;

/**
 * Makes the payload with which an event has so many bytes, from the first of `id: ` to the empty line: the same with all
 * contenders, whatever framing they add.
 */
export function payloadOf(seq: number, at: number, eventBytes: number): Payload {
  const lines = `id: ${idOf(seq)}\ndata: ${JSON.stringify({ seq, at, pad: "" })}\n\n`;
  return { seq, at, pad: "x".repeat(eventBytes - lines.length) };
}

/** An id as long as ours, for those who mint none. */
export function idOf(seq: number): string {
  return formatEventId({ epoch: "abcdefghijkl", seq, tag: "abcd" });
}
