import type { Running } from "./platforms.ts";

/** How long the goodbyes are spread over, in ms: a deploy has time, and whoever presses Ctrl-C has not. */
const WITHIN = { SIGTERM: 5000, SIGINT: 1000 };

/**
 * Stops on Ctrl-C and SIGTERM: those who are connected are sent away one after another, nobody new is let in, and the
 * process ends by itself. A second Ctrl-C does not wait.
 */
export function stopOnSignal(showcase: Running): void {
  let askedAt: number | undefined;
  const stop = async (signal: keyof typeof WITHIN): Promise<void> => {
    if (askedAt !== undefined) {
      // One Ctrl-C may arrive twice, from the terminal and from the script that started this.
      if (signal === "SIGINT" && performance.now() - askedAt > 300) process.exit(130);
      return;
    }
    askedAt = performance.now();
    await showcase.drain(WITHIN[signal]);
    await showcase.close();
    // Where listening for signals keeps a process alive, it no longer does.
    for (const [name, listener] of listeners) process.off(name, listener);
  };
  const listeners = (["SIGTERM", "SIGINT"] as const).map((signal) => {
    const listener = (): void => void stop(signal);
    process.on(signal, listener);
    return [signal, listener] as const;
  });
}
