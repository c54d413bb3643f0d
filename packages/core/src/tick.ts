import { nextTurn, startTimer } from "./timer.ts";
import { isTurnOver } from "./turns.ts";

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
  /** Goes through the members while they are looked at; it takes more than one turn where they are many. */
  #round: Iterator<Ticking> | undefined = undefined;
  /** When something will be due, as those say who were looked at in this round. */
  #next = Infinity;

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
    // A round that is under way may be past the member that asks.
    if (this.#round !== undefined) this.#next = Math.min(this.#next, at);
    if (this.#round !== undefined || at >= this.#at) return;
    this.#at = at;
    this.#stopTimer?.();
    this.#stopTimer = startTimer(Math.max(0, at - performance.now()), this.#look);
  }

  readonly #look = (): void => {
    this.#at = Infinity;
    this.#round ??= this.#members.values();
    const now = performance.now();
    for (let looked = 1; ; looked++) {
      const { done, value } = this.#round.next();
      if (done === true) break;
      this.#next = Math.min(this.#next, value.tick(now));
      // Whoever is due is written to, or ended: for thousands at once that takes long.
      if (looked % 16 === 0 && isTurnOver()) return nextTurn(this.#look);
    }
    const next = this.#next;
    this.#round = undefined;
    this.#next = Infinity;
    this.#set(Math.max(next, now + this.#members.size * GRAIN));
  };
}

/** So many ms for each member: looking at all of them, at some 50 ns each, costs a two-hundredth of the time. */
const GRAIN = 0.01;
