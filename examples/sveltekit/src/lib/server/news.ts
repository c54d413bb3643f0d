import { createHub } from "@sluice/core";
import type { Hub } from "@sluice/core";

const shared = globalThis as { hub?: Hub };

// One for the process: in development Vite loads this module again after each change.
const hub = (shared.hub ??= createHub());

export const news = hub.channel("news");

process.once("SIGTERM", () => void hub.close());
