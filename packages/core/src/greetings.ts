/** How many reconnection times of a range are told: enough for clients to come back apart, few enough to be kept. */
const TIMES = 128;

/** The line `:`, a comment. It counts as soon as it ends: with a blank line, some readers would take it for an event. */
export const COMMENT: Uint8Array<ArrayBuffer> = new TextEncoder().encode(":\n");

/** What connections begin with: a comment, so that the client knows it is connected, and its reconnection time. */
export class Greetings {
  readonly #retry: readonly [min: number, max: number] | false;
  /** Each is made once, for all who are told the same. */
  readonly #made = new Map<number, Uint8Array<ArrayBuffer>>();

  constructor(retry: readonly [min: number, max: number] | false) {
    this.#retry = retry;
  }

  /** With a random time of the range, where the client may come back by itself. */
  next(comesBack: boolean): Uint8Array<ArrayBuffer> {
    if (this.#retry === false || !comesBack) return COMMENT;
    const [min, max] = this.#retry;
    const step = Math.floor(Math.random() * TIMES);
    const retry = Math.round(min + ((max - min) * step) / (TIMES - 1));
    const made = this.#made.get(retry) ?? new TextEncoder().encode(`:\nretry: ${retry}\n`);
    this.#made.set(retry, made);
    return made;
  }
}
