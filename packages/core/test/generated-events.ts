import type { ServerSentEvent } from "../src/index.ts";

/** A seeded source of events that try to break out of their fields; the same seed gives the same events. */
export class GeneratedEvents {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** An integer from 0 up to `most`, exclusive. */
  below(most: number): number {
    // Mulberry32: small, fast, and every seed has a long period.
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % most;
  }

  next(): ServerSentEvent<string> {
    const event: { -readonly [Name in keyof ServerSentEvent<string>]: ServerSentEvent<string>[Name] } = {};
    const has = this.below(32);
    if ((has & 1) !== 0) event.comment = this.#text();
    if ((has & 2) !== 0) event.id = this.#text().replace(/[\n\r\0]/g, "");
    if ((has & 4) !== 0) event.retry = this.#retry();
    if ((has & 24) !== 0 || has === 0) event.data = this.#text();
    if ((has & 8) !== 0) event.event = this.#text().replace(/[\n\r]/g, "") || "x";
    return event;
  }

  #text(): string {
    let text = "";
    for (let parts = this.below(this.below(8) === 0 ? 40 : 6); parts > 0; parts--) {
      text += this.below(5) === 0 ? String.fromCharCode(this.below(0x10000)) : PARTS[this.below(PARTS.length)];
    }
    return text;
  }

  #retry(): number {
    return [0, 1, 3000, this.below(2 ** 31), Number.MAX_SAFE_INTEGER][this.below(5)] as number;
  }
}

const PARTS = [
  ..."\n \n \r \r \r\n \r\n \n\n \r\r \r\n\r\n : :: data id retry event data: id:1 event:x retry:5".split(" "),
  ..."a b word \0 \t é ß € 😀 👩‍👩‍👧 \ud83d \ude00 \ud800 \udfff \uFEFF \u2028 \u2029 \u0085 { } \\n".split(" "),
  " ",
  "  ",
  "\ndata: injected",
  "\n\ndata: injected\n\n",
  "\rid: 9",
  "\r\nretry: 1\r\n",
  JSON.stringify({ choices: [{ delta: { content: "x".repeat(60) } }] }),
];
