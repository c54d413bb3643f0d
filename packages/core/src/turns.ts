import { nextTurn } from "./timer.ts";

// Code that never has to wait keeps everything else in the process waiting: microtasks run before input, output and
// timers do. Whatever can go on by itself therefore asks here whether it has been long enough, and stands back if so.

/** How long one turn of the event loop may be kept busy, in ms. */
const TURN = 4;

/** A turn that nobody has closed for this long, in ms, is over: on some runtimes a timer dies with its request. */
const STALE = 1000;

/** How much a loop does before it looks at the clock: a look that opens a turn costs as much as sending an event. */
const FIRST_STEPS = 16;

/** How much it does between looks from then on. */
const STEPS = 4;

/** The most that a loop does in one turn, for runtimes whose clock stands still while code runs. */
const MOST_STEPS = 1000;

let isOpen = false;
let openedAt = 0;
let turn = 0;
/** How many loops wait for the next turn: they share it. */
let waiting = 0;

/** Whether the code that runs now has kept everything else waiting for long enough. */
export function isTurnOver(): boolean {
  return lookAtClock() - openedAt > TURN;
}

function lookAtClock(): number {
  const now = performance.now();
  if (!isOpen || now - openedAt > STALE) {
    isOpen = true;
    openedAt = now;
    turn++;
    nextTurn(closeTurn);
  }
  return now;
}

function closeTurn(): void {
  isOpen = false;
}

/**
 * The pace of one loop that may never have to wait.
 *
 * Loops that stand back at the same time get equal parts of the next turn.
 */
export class Pace {
  #steps = 0;
  /** The number of steps at which the clock is looked at. */
  #nextLook = FIRST_STEPS;
  #turn = 0;
  #endsAt = Infinity;
  /** What the clock said at the last look, and at which step it began to say so. */
  #lookedAt = -1;
  #saidSince = 0;

  /**
   * Call it once for each step; when it says true, wait for `nextTurn()`.
   *
   * @param cost how many small steps this one is worth
   */
  isOver(cost = 1): boolean {
    this.#steps += cost;
    if (this.#steps < this.#nextLook) return false;
    const now = lookAtClock();
    // In another turn than the last time, the loop has had to wait by itself.
    if (this.#turn !== turn) {
      this.#begin(Infinity);
      this.#nextLook = FIRST_STEPS;
      return false;
    }
    this.#nextLook = this.#steps + STEPS;
    if (now !== this.#lookedAt) {
      this.#lookedAt = now;
      this.#saidSince = this.#steps;
    }
    return now > this.#endsAt || now - openedAt > TURN || this.#steps - this.#saidSince > MOST_STEPS;
  }

  async nextTurn(): Promise<void> {
    waiting++;
    await new Promise<void>((resolve) => {
      nextTurn(resolve);
    });
    const share = TURN / waiting--;
    this.#begin(lookAtClock() + share);
  }

  #begin(endsAt: number): void {
    this.#steps = this.#nextLook = this.#saidSince = 0;
    this.#turn = turn;
    this.#endsAt = endsAt;
  }
}

/** Runs something for each of many. */
export async function eachInTurn<Item>(items: readonly Item[], run: (item: Item) => void): Promise<void> {
  const pace = new Pace();
  for (const item of items) {
    run(item);
    if (pace.isOver()) await pace.nextTurn();
  }
}

/** How many tasks are run together. What they have put off, as Node does with writes, is done before the next few. */
const TASKS = 4;

/** How many times in one turn, at the most. */
const SHIFTS = 64;

/** Runs tasks in the order in which they were added, as many in one turn as there is time for, and always a few. */
export class TaskQueue {
  /** In order; those that have been forgotten among them. Not the set alone: finding its first looks at all that were before. */
  #queue: (() => void)[] = [];
  #at = 0;
  readonly #waiting = new Set<() => void>();
  /** How many shifts of this turn are still to come. */
  #shifts = 0;
  /** When they have to come to their end. The first sets it, whatever else this turn had to do before. */
  #endsAt: number | undefined = undefined;

  /** Runs the task at once where there is time, else as soon as there is. A task that waits already is not added again. */
  run(task: () => void): void {
    if (this.#waiting.size === 0 && !isTurnOver()) return task();
    if (this.#waiting.has(task)) return;
    this.#waiting.add(task);
    this.#queue.push(task);
    if (this.#shifts === 0) this.#schedule();
  }

  /** Forgets a task that waits. */
  forget(task: () => void): void {
    this.#waiting.delete(task);
  }

  #schedule(): void {
    this.#shifts = Math.min(SHIFTS, Math.ceil((this.#queue.length - this.#at) / TASKS));
    this.#endsAt = undefined;
    for (let i = 0; i < this.#shifts; i++) nextTurn(this.#work);
  }

  readonly #work = (): void => {
    const now = performance.now();
    this.#endsAt ??= now + TURN;
    let left = now > this.#endsAt ? 0 : TASKS;
    for (; left > 0 && this.#at < this.#queue.length; left--) {
      const task = this.#queue[this.#at++] as () => void;
      if (this.#waiting.delete(task)) task();
    }
    if (--this.#shifts > 0) return;
    this.#queue = this.#queue.slice(this.#at);
    this.#at = 0;
    if (this.#queue.length > 0) this.#schedule();
  };
}
