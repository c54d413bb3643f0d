// Run by closed-names.test.ts with --expose-gc: prints the growth of the heap and of buffers, in bytes.
import { memoryStore } from "@sluice/core";

const IDLE = 100;
const NAMES = 30_000;
const store = memoryStore({ maxIdle: IDLE, maxChannels: NAMES });

/** Each name is a part of a request that must not be kept for its sake. */
async function closeAll(round: string): Promise<void> {
  for (let n = 0; n < NAMES; n++) {
    const request = `/jobs/${round}-${String(n).padStart(20, "0")}?${"x".repeat(2000)}`;
    await store.append(request.slice(6, request.indexOf("?")), [{ data: "x".repeat(100) }], { close: true });
  }
  const last = `${round}-${String(NAMES - 1).padStart(20, "0")}`;
  while ((await store.read(last, "start")).events.length > 0) await new Promise((resolve) => setTimeout(resolve, IDLE));
}

function memory(): number {
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

await closeAll("a"); // what is compiled and cached once
for (let n = 0; n < NAMES; n++) await store.drop(`a-${String(n).padStart(20, "0")}`);
const before = memory();
await closeAll("b");
const after = memory();
if (!(await store.read(`b-${"0".repeat(20)}`, "start")).closed) throw new Error("The first of the closed is forgotten");
console.log(after - before);
await store.close();
