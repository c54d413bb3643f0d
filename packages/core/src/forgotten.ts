/**
 * Warns, once in a process, when a responder is collected as garbage that was never asked to respond: its handler was
 * probably returned where it had to be called, and the request hangs. A handler that is mounted is not collected.
 *
 * @returns to be called when it is asked
 */
export function expectUse(responder: object): () => void {
  // Some runtimes do not have it.
  if (typeof FinalizationRegistry === "undefined") return () => {};
  registry ??= new FinalizationRegistry(warn);
  registry.register(responder, undefined, responder);
  let isUsed = false;
  return () => {
    if (!isUsed) registry?.unregister(responder);
    isUsed = true;
  };
}

let registry: FinalizationRegistry<undefined> | undefined;
let hasWarned = false;

function warn(): void {
  if (hasWarned) return;
  hasWarned = true;
  console.warn(
    "Sluice: a handler made by eventStream was never called, and is gone; if a request hangs, mount the handler, " +
      "or call it: eventStream(source)(req, res)",
  );
}
