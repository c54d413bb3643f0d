import { OutgoingMessage } from "node:http";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

// A channel's bytes go to thousands of responses, one after another: what Node would make of them for each, a buffer and a
// chunk of chunked coding (RFC 9112, section 7.1), is made once.

interface Made {
  readonly bytes: Uint8Array;
  readonly buffer: Buffer;
}

let latestBuffer: Made | undefined;
let latestChunk: Made | undefined;

/** The bytes, not copied. */
export function asBuffer(bytes: Uint8Array<ArrayBuffer>): Buffer {
  if (latestBuffer?.bytes !== bytes) {
    latestBuffer = { bytes, buffer: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
  }
  return latestBuffer.buffer;
}

/** The bytes as one chunk of a chunked body. */
export function asChunk(bytes: Uint8Array<ArrayBuffer>): Buffer {
  if (latestChunk?.bytes !== bytes) {
    const size = Buffer.from(`${bytes.length.toString(16)}\r\n`);
    latestChunk = { bytes, buffer: Buffer.concat([size, bytes, END_OF_LINE]) };
  }
  return latestChunk.buffer;
}

const END_OF_LINE = Buffer.from("\r\n");

/** Node's own. What watches all responses takes its place in `ServerResponse.prototype`, or here later. */
const { write } = OutgoingMessage.prototype;

/**
 * The socket, where nothing but a chunk would be written to it by `res.write()`: four pieces, put off to the end of the
 * tick, are then one, written at once, for two thirds of the cost. Not where somebody else wants to see what is written,
 * nor where Node still keeps it to itself.
 */
export function chunkedSocketOf(res: ServerResponse): Socket | undefined {
  const isOurs = res.write === write && res.chunkedEncoding && res.headersSent;
  return isOurs && !res.writableEnded && res.writableCorked === 0 ? (res.socket ?? undefined) : undefined;
}
