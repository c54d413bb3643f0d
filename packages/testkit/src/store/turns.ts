import type { EventStore, Slice } from "@sluice/core";
import { failure } from "./bench.ts";
import type { Random } from "./random.ts";
import { override } from "./wrap.ts";

/** Lets one of those who wait go on at a time, when nobody else can move. */
export class Turns {
  readonly #random: Random;
  readonly #slow: string;
  readonly #waiting: { readonly label: string; readonly go: () => void }[] = [];
  readonly taken: string[] = [];
  hash = 0;

  /** @param slow part of the labels of those who are mostly passed over */
  constructor(random: Random, slow: string) {
    this.#random = random;
    this.#slow = slow;
  }

  next(label: string): Promise<void> {
    return new Promise((go) => {
      this.#waiting.push({ label, go });
    });
  }

  /** While it runs, the clock stands still: what core puts off when time has passed would make each run another. */
  async run<Result>(actors: Promise<Result>): Promise<Result> {
    const { now } = performance;
    const stoodStillAt = performance.now();
    performance.now = () => stoodStillAt;
    try {
      return await this.#takeTurns(actors);
    } finally {
      performance.now = now;
    }
  }

  async #takeTurns<Result>(actors: Promise<Result>): Promise<Result> {
    let isOver = false;
    const over = (): void => void (isOver = true);
    actors.then(over, over);
    for (;;) {
      await everybodyWaits();
      if (isOver) return actors;
      let index = this.#choose();
      if (this.#waiting[index]?.label.includes(this.#slow) && this.#random() < 0.8) index = this.#choose();
      const [turn] = this.#waiting.splice(index, 1);
      if (turn === undefined) throw new Error("somebody waits for a bell that never rings");
      this.taken.push(turn.label);
      for (let i = 0; i < turn.label.length; i++) this.hash = (this.hash * 31 + turn.label.charCodeAt(i)) % 2 ** 47;
      turn.go();
    }
  }

  #choose(): number {
    return Math.floor(this.#random() * this.#waiting.length);
  }
}

/** The store as one actor uses it: every call and every ring takes its turns. */
export function inTurns(store: EventStore, turns: Turns, actor: string): EventStore {
  const inTurn = async <Result>(call: string, effect: () => Promise<Result>): Promise<Result> => {
    await turns.next(`${actor} ${call}`);
    const result = effect();
    // A refusal is an answer: it too waits for its turn.
    await failure(result);
    await turns.next(`${actor} ${call} is answered`);
    return result;
  };
  return override(store, {
    append: (...call) => inTurn("append", () => store.append(...call)),
    read: (...call) => inTurn("read", () => store.read(...call)),
    drop: (...call) => inTurn("drop", () => store.drop(...call)),
    watch: (channel, ring, signal) => {
      const bell = (hint?: Slice): void => {
        void turns.next(`${actor} bell`).then(() => {
          if (!signal.aborted) ring(hint);
        });
      };
      return inTurn("watch", () => store.watch(channel, bell, signal));
    },
  });
}

/** Microtasks run to their end before a macrotask does. */
function everybodyWaits(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
