import { Pace } from "./turns.ts";

/** Calls a user's callback that has nothing to answer: neither what it throws nor a promise that it rejects gets out. */
export function callGuarded(callback: () => unknown): void {
  const onThrown = (thrown: unknown): void => {
    try {
      console.error("Sluice: a callback threw:", thrown);
    } catch {} // printing it runs code of its own
  };
  try {
    const result = callback();
    if (result instanceof Promise) result.catch(onThrown);
  } catch (thrown) {
    onThrown(thrown);
  }
}

/**
 * Promises that were refused, also within arrays and objects: nobody will look at how they end, and that must not end the
 * process.
 */
export function ignoreRejection(refused: unknown, depth = 3): void {
  try {
    // Nothing is called that a subclass may have overridden.
    if (refused instanceof Promise) void Promise.prototype.then.call(refused, undefined, () => {});
    else if (depth > 0 && typeof refused === "object" && refused !== null) {
      for (const entry of Object.values(refused)) ignoreRejection(entry, depth - 1);
    }
  } catch {} // a Proxy, or a getter
}

/**
 * Starts what a user may not be waiting for: a failure is told to `onError`, and never reported as an unhandled rejection,
 * which would end the process.
 *
 * @param start may throw
 */
export function startGuarded<Result>(onError: (error: unknown) => void, start: () => Promise<Result>): Promise<Result> {
  const started = inTurn(start);
  started.then(undefined, onError);
  return started;
}

/** Of everybody who asks on and on: a store in memory never makes them wait, and what fails does not either. */
const pace = new Pace();

async function inTurn<Result>(start: () => Promise<Result>): Promise<Result> {
  try {
    return await start();
  } finally {
    if (pace.isOver()) await pace.nextTurn();
  }
}
