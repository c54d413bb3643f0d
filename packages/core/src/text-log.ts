/** A text in a {@link TextLog}, where only the log can read it. */
export interface TextPlace {
  readonly block: Block;
  readonly offset: number;
  /** In bytes. */
  readonly length: number;
}

interface Block {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** So many of its bytes are taken: a character is in one block, and leaves up to three free. */
  used: number;
  next: Block | undefined;
}

/** In bytes: the first block of a log that may never need another, and what blocks grow to. */
const FIRST_BLOCK = 512;
const LARGEST_BLOCK = 64 * 1024;

/** How many blocks wait to be used again: as much as publishing a large array takes at once. */
const MAX_SPARES = 16;

/**
 * Texts that come at one end and go at the other, as UTF-8 in blocks that are used again: strings that live for a while would
 * each be moved by the garbage collector, twice, and make it take several times what is retained here.
 */
export class TextLog {
  #first: Block;
  #last: Block;
  readonly #spares: Uint8Array<ArrayBuffer>[] = [];

  constructor() {
    this.#first = this.#last = newBlock(new Uint8Array(0));
  }

  /** @param text well-formed */
  push(text: string): TextPlace {
    const block = this.#last;
    const offset = block.used;
    let length = 0;
    for (let rest = text; ;) {
      const { bytes, used } = this.#last;
      const { read, written } = utf8.encodeInto(rest, bytes.subarray(used));
      this.#last.used += written;
      length += written;
      if (read === rest.length) return { block, offset, length };
      rest = rest.slice(read);
      this.#extend();
    }
  }

  /** The text of a place that was not trimmed. */
  at({ block, offset, length }: TextPlace): string {
    const inFirst = Math.min(length, block.used - offset);
    let text = decode(block, offset, inFirst);
    let left = length - inFirst;
    for (let next = block.next; next !== undefined && left > 0; next = next.next) {
      const inNext = Math.min(left, next.used);
      text += decode(next, 0, inNext);
      left -= inNext;
    }
    return text;
  }

  /** Lets go of all that lies before the first text that is kept; of everything where none is. */
  trim(kept: TextPlace | undefined): void {
    const block = kept?.block ?? this.#last;
    for (let first = this.#first; first !== block && first.next !== undefined; first = first.next) {
      if (first.bytes.length === LARGEST_BLOCK && this.#spares.length < MAX_SPARES) this.#spares.push(first.bytes);
      this.#first = first.next;
    }
    if (kept !== undefined) return;
    block.used = 0;
    this.#spares.length = 0;
  }

  #extend(): void {
    const size = Math.min(Math.max(FIRST_BLOCK, this.#last.bytes.length * 2), LARGEST_BLOCK);
    const spare = size === LARGEST_BLOCK ? this.#spares.pop() : undefined;
    this.#last = this.#last.next = newBlock(spare ?? new Uint8Array(size));
  }
}

const utf8 = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function newBlock(bytes: Uint8Array<ArrayBuffer>): Block {
  return { bytes, used: 0, next: undefined };
}

function decode({ bytes }: Block, offset: number, length: number): string {
  return decoder.decode(bytes.subarray(offset, offset + length));
}
