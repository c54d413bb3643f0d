/** How many pieces are kept apart before they are joined into one block: each may keep the chunk it was cut from alive. */
const PIECES = 256;

/**
 * Text that arrives in pieces and is wanted once, whole.
 *
 * Neither `+=` nor one array does: a rope costs 32 bytes for a piece of one character, and joining an array each time it
 * is full copies the text again and again. Here every character is copied at most three times, whatever the size of the pieces.
 */
export class TextBuffer {
  #pieces: string[] = [];
  #blocks: string[] = [];
  readonly #separator: string;
  /** In UTF-16 code units, with a separator behind each piece. */
  length = 0;

  /** @param separator what stands between two pieces */
  constructor(separator: string) {
    this.#separator = separator;
  }

  append(piece: string): void {
    this.length += piece.length + this.#separator.length;
    if (this.#pieces.push(piece) === PIECES) {
      this.#blocks.push(this.#pieces.join(this.#separator));
      this.#pieces = [];
    }
  }

  take(): string {
    const pieces = this.#pieces.length > 0 ? [...this.#blocks, this.#pieces.join(this.#separator)] : this.#blocks;
    this.clear();
    return pieces.join(this.#separator);
  }

  clear(): void {
    this.#pieces = [];
    this.#blocks = [];
    this.length = 0;
  }
}
