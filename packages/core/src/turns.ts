import { nextTurn } from "./timer.ts";

// Code that never has to wait keeps everything else in the process waiting: microtasks run before input, output and
// timers do. Whatever can go on by itself therefore asks here whether it has been long enough, and stands back if so.

/** How long one turn of the event loop may be kept busy, in ms. */
const TURN = 4;

/** A turn that nobody has closed for this long, in ms, is over: on some runtimes a timer dies with its request. */
const STALE = 1000;

/** The least that a loop does each time: looking at the clock opens a turn, which costs as much as sending an event. */
const FEWEST_STEPS = 4;

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
  #turn = 0;
  #endsAt = Infinity;

  /** Call it once for each step; when it says true, wait for `nextTurn()`. */
  isOver(): boolean {
    if (++this.#steps < FEWEST_STEPS) return false;
    const now = lookAtClock();
    // In another turn than the last time, the loop has had to wait by itself.
    if (this.#turn !== turn) this.#begin(Infinity);
    return now > this.#endsAt || now - openedAt > TURN || this.#steps > MOST_STEPS;
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
    this.#steps = 0;
    this.#turn = turn;
    this.#endsAt = endsAt;
  }
}

/** The least number of tasks that are run each time, so that tasks get done however busy the process is. */
const FEWEST_TASKS = 16;

/** Runs tasks in the order in which they were added, as many in one turn as there is time for. */
export class TaskQueue {
  readonly #tasks = new Set<() => void>();
  #isScheduled = false;

  /** Runs the task at once where there is time, else as soon as there is. A task that waits already is not added again. */
  run(task: () => void): void {
    if (this.#tasks.size === 0 && !isTurnOver()) return task();
    this.#tasks.add(task);
    this.#schedule();
  }

  /** Forgets a task that waits. */
  forget(task: () => void): void {
    this.#tasks.delete(task);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    nextTurn(this.#work);
  }

  readonly #work = (): void => {
    this.#isScheduled = false;
    let done = 0;
    for (const task of this.#tasks) {
      if (done++ >= FEWEST_TASKS && isTurnOver()) break;
      this.#tasks.delete(task);
      task();
    }
    if (this.#tasks.size > 0) this.#schedule();
  };
}
