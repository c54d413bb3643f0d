import { encodeEvent } from "./encode.ts";

/** How many reconnection times of a range are told: enough for clients to come back apart, few enough to be kept. */
const TIMES = 128;

/** What connections begin with: a comment, so that the client knows it is connected, and its reconnection time. */
export class Greetings {
  readonly #retry: readonly [min: number, max: number] | false;
  /** Each is made once, for all who are told the same. */
  readonly #made = new Map<number | undefined, Uint8Array<ArrayBuffer>>();

  constructor(retry: readonly [min: number, max: number] | false) {
    this.#retry = retry;
  }

  /** With a random time of the range. */
  next(): Uint8Array<ArrayBuffer> {
    const retry = this.#randomTime();
    const made = this.#made.get(retry) ?? new TextEncoder().encode(encodeEvent({ comment: "", retry }));
    this.#made.set(retry, made);
    return made;
  }

  #randomTime(): number | undefined {
    if (this.#retry === false) return undefined;
    const [min, max] = this.#retry;
    const step = Math.floor(Math.random() * TIMES);
    return Math.round(min + ((max - min) * step) / (TIMES - 1));
  }
}
