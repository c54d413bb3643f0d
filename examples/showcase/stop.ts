import type { Running } from "./platforms.ts";

/** How long the goodbyes are spread over, in ms: a deploy has time, and whoever presses Ctrl-C has not. */
const WITHIN = { SIGTERM: 5000, SIGINT: 1000 };

/**
 * Stops on Ctrl-C and SIGTERM: those who are connected are sent away one after another, nobody new is let in, and the
 * process ends by itself. Asked a second time, it does not wait.
 */
export function stopOnSignal(showcase: Running): void {
  let askedAt = 0;
  const stop = async (within: number): Promise<void> => {
    // One Ctrl-C may arrive twice, from the terminal and from the script that started this.
    if (askedAt > 0 && performance.now() - askedAt < 300) return;
    if (askedAt > 0) process.exit(130);
    askedAt = performance.now();
    await showcase.drain(within);
    await showcase.close();
    // Where listening for signals keeps a process alive, it no longer does.
    for (const [signal, listener] of listeners) process.off(signal, listener);
  };
  const listeners = (["SIGTERM", "SIGINT"] as const).map((signal) => {
    const listener = (): void => void stop(WITHIN[signal]);
    process.on(signal, listener);
    return [signal, listener] as const;
  });
}
