import { lastFor } from "./bisect.ts";

interface Block {
  /** The number of its first byte. */
  readonly start: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** So many of its bytes are taken: a character is in one block, and leaves up to three free. */
  used: number;
}

/** In bytes: the first block of a log that may never need another, and what blocks grow to. */
const FIRST_BLOCK = 512;
const LARGEST_BLOCK = 64 * 1024;

/** In UTF-16 code units: up to here a loop over ASCII is faster than a call of the encoder, which needs a view for each. */
const SHORT = 128;

/** How many blocks wait to be used again, at the most: as many as are in use, and as publishing a large array takes at once. */
const MAX_SPARES = 16;

/**
 * Texts that come at one end and go at the other, as UTF-8 in blocks that are used again: strings that live for a while would
 * each be moved by the garbage collector, twice, and make it take several times what is retained here. Bytes are numbered
 * on and on, so that a text is known by two numbers.
 */
export class TextLog {
  #blocks: Block[] = [];
  readonly #spares: Uint8Array<ArrayBuffer>[] = [];
  #end = 0;

  /** The number of the byte that comes next. */
  get end(): number {
    return this.#end;
  }

  /** @param text well-formed */
  push(text: string): void {
    if (text.length <= SHORT && this.#pushAscii(text)) return;
    for (let rest = text; rest !== "";) {
      const block = this.#blocks.at(-1) ?? this.#extend();
      const { read, written } = utf8.encodeInto(rest, block.bytes.subarray(block.used));
      block.used += written;
      this.#end += written;
      if (read === rest.length) return;
      rest = rest.slice(read);
      this.#extend();
    }
  }

  /** The text from one byte to another, of those that were not trimmed; both are the first of a character, or the end. */
  at(from: number, to: number): string {
    let text = "";
    for (let i = this.#blockOf(from), at = from; at < to; i++) {
      const { start, bytes, used } = this.#blocks[i] as Block;
      const end = Math.min(to, start + used);
      text += decoder.decode(bytes.subarray(at - start, end - start));
      at = end;
    }
    return text;
  }

  /** Lets go of all that lies before a byte; of every block, where that is the end. */
  trim(from: number): void {
    const second = this.#blocks[1];
    if (from < this.#end && (second === undefined || from < second.start)) return;
    const count = from === this.#end ? this.#blocks.length : this.#blockOf(from);
    const gone = this.#blocks.splice(0, count).map(({ bytes }) => bytes);
    this.#spares.push(...gone.filter(({ length }) => length === LARGEST_BLOCK));
    this.#spares.length = Math.min(this.#spares.length, MAX_SPARES, this.#blocks.length);
  }

  /** @returns whether it fits, and is nothing but ASCII */
  #pushAscii(text: string): boolean {
    const block = this.#blocks.at(-1) ?? this.#extend();
    const { bytes, used } = block;
    const { length } = text;
    if (used + length > bytes.length) return false;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code > 127) return false;
      bytes[used + i] = code;
    }
    block.used += length;
    this.#end += length;
    return true;
  }

  /** The index of the block that a byte is in. */
  #blockOf(byte: number): number {
    return lastFor(0, this.#blocks.length - 1, (i) => (this.#blocks[i] as Block).start <= byte);
  }

  #extend(): Block {
    const size = Math.min(Math.max(FIRST_BLOCK, (this.#blocks.at(-1)?.bytes.length ?? 0) * 2), LARGEST_BLOCK);
    const spare = size === LARGEST_BLOCK ? this.#spares.pop() : undefined;
    const block = { start: this.#end, bytes: spare ?? new Uint8Array(size), used: 0 };
    this.#blocks.push(block);
    return block;
  }
}

const utf8 = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
