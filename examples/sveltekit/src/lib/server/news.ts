import { createHub } from "@sluice/core";
import type { Hub } from "@sluice/core";

// One for the process: in development this module is loaded again after each change.
const shared = globalThis as { hub?: Hub };
const hub = (shared.hub ??= openHub());

export const news = hub.channel("news");

function openHub(): Hub {
  const opened = createHub();
  process.once("SIGTERM", () => void opened.close());
  return opened;
}
