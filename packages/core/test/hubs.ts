import { afterEach } from "vitest";
import { createHub } from "../src/index.ts";
import type { Hub, HubOptions } from "../src/index.ts";

const hubs: Hub[] = [];
afterEach(async () => {
  for (const hub of hubs.splice(0)) await hub.close();
});

/** A hub that says nothing, and is closed after its test. */
export function setUp(options: HubOptions = {}): Hub {
  const hub = createHub({ onError: () => {}, ...options });
  hubs.push(hub);
  return hub;
}

/** Resolves when the event loop has come round this many times, as it has to for input, output and timers. */
export async function rounds(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => void setImmediate(resolve));
}
