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

/** A promise that was refused: nobody will look at how it ends. Nothing is called on it that a subclass has overridden. */
export function ignoreRejection(value: unknown): void {
  try {
    if (value instanceof Promise) Promise.prototype.then.call(value, undefined, () => {});
  } catch {} // a Proxy, which is no promise to await either
}

/**
 * Starts what a user may not be waiting for: a failure is told to `onError`, and never reported as an unhandled rejection,
 * which would end the process.
 */
export function startGuarded<Result>(
  onError: (error: unknown) => void,
  start: () => Promise<Result>,
): Promise<Result> {
  let started: Promise<Result>;
  try {
    started = start();
  } catch (error) {
    started = Promise.reject(error);
  }
  started.then(undefined, onError);
  return started;
}
