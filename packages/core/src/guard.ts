/** Calls a user's callback that has nothing to answer: neither what it throws nor a promise that it rejects gets out. */
export function callGuarded(callback: () => unknown): void {
  const onThrown = (thrown: unknown): void => console.error("Sluice: a callback threw:", thrown);
  try {
    const result = callback();
    if (result instanceof Promise) result.catch(onThrown);
  } catch (thrown) {
    onThrown(thrown);
  }
}
