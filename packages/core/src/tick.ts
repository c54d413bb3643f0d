import { startTimer } from "./timer.ts";

/** What a tick looks after. */
export interface Ticking {
  /**
   * Does what is due.
   *
   * @param now as `performance.now()` says it
   * @returns when something will be due next, in the same time; Infinity for never
   */
  tick(now: number): number;
}

/**
 * One timer for the deadlines of many connections. It keeps no process alive, and is not set while nothing will be due. The
 * more it looks after, the coarser it is: one looks at its deadline within a ms, ten thousand within a tenth of a second.
 */
export class Tick {
  readonly #members = new Set<Ticking>();
  /** When the timer is set for. */
  #at = Infinity;
  #stopTimer: (() => void) | undefined = undefined;

  /** Looks at it by then, and from then on whenever it has said, until it is let go. */
  by(member: Ticking, at: number): void {
    this.#members.add(member);
    this.#set(at);
  }

  letGo(member: Ticking): void {
    this.#members.delete(member);
    if (this.#members.size > 0) return;
    this.#stopTimer?.();
    this.#at = Infinity;
  }

  #set(at: number): void {
    if (at >= this.#at) return;
    this.#at = at;
    this.#stopTimer?.();
    this.#stopTimer = startTimer(Math.max(0, at - performance.now()), this.#look);
  }

  readonly #look = (): void => {
    const now = performance.now();
    this.#at = Infinity;
    let next = Infinity;
    for (const member of this.#members) next = Math.min(next, member.tick(now));
    this.#set(Math.max(next, now + this.#members.size * GRAIN));
  };
}

/** So many ms for each member: looking at all of them, at some 50 ns each, costs a two-hundredth of the time. */
const GRAIN = 0.01;
