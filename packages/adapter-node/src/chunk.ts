import { OutgoingMessage } from "node:http";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

// A channel's bytes go to thousands of responses, one after another: what Node would make of them for each, a buffer and a
// chunk of chunked coding (RFC 9112, section 7.1), is made once.

/** Of the last two, as connections begin with a greeting and what all of them get. */
class Latest {
  readonly #make: (bytes: Uint8Array<ArrayBuffer>) => Buffer;
  #bytes: Uint8Array | undefined = undefined;
  #made: Buffer | undefined = undefined;
  #formerBytes: Uint8Array | undefined = undefined;
  #formerMade: Buffer | undefined = undefined;

  constructor(make: (bytes: Uint8Array<ArrayBuffer>) => Buffer) {
    this.#make = make;
  }

  of(bytes: Uint8Array<ArrayBuffer>): Buffer {
    if (this.#bytes === bytes) return this.#made as Buffer;
    const made = this.#formerBytes === bytes ? (this.#formerMade as Buffer) : this.#make(bytes);
    this.#formerBytes = this.#bytes;
    this.#formerMade = this.#made;
    this.#bytes = bytes;
    this.#made = made;
    return made;
  }
}

const buffers = new Latest((bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));

const chunks = new Latest((bytes) => {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, END_OF_LINE]);
});

/** The bytes, not copied. */
export function asBuffer(bytes: Uint8Array<ArrayBuffer>): Buffer {
  return buffers.of(bytes);
}

/** The bytes as one chunk of a chunked body. */
export function asChunk(bytes: Uint8Array<ArrayBuffer>): Buffer {
  return chunks.of(bytes);
}

const END_OF_LINE = Buffer.from("\r\n");

/** Node's own. What watches all responses takes its place in `ServerResponse.prototype`, or here later. */
const { write } = OutgoingMessage.prototype;

/**
 * The socket, where nothing but a chunk would be written to it by `res.write()`: four pieces, put off to the end of the
 * tick, are then one, written at once, for four fifths of the cost. Not where somebody else wants to see what is written,
 * nor where Node still keeps it to itself, or no longer writes: a socket that the client has half closed is being closed.
 */
export function chunkedSocketOf(res: ServerResponse): Socket | undefined {
  const { socket } = res;
  const isOurs = res.write === write && res.chunkedEncoding && res.headersSent;
  return isOurs && !res.writableEnded && res.writableCorked === 0 && socket?.writable === true ? socket : undefined;
}
