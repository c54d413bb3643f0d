// Run by channel-names.test.ts with --expose-gc: prints the growth of the heap, in bytes.
import { createHub, memoryStore } from "@sluice/core";

const IDLE = 200;
const hub = createHub({ store: memoryStore({ maxIdle: IDLE, maxChannels: 10_000 }), linger: 0 });

/** Ten thousand names, which the store drops before it would take as many again. */
async function useOnce(round: number): Promise<void> {
  for (let n = 0; n < 10_000; n++) {
    const channel = hub.channel(`round ${round}, name ${n}`);
    await channel.publish({ data: "x".repeat(100) });
    const reader = channel.read("start");
    await reader.next();
    await reader.return?.();
  }
  await new Promise((resolve) => setTimeout(resolve, IDLE * 4));
}

function heap(): number {
  globalThis.gc?.();
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

await useOnce(0); // what is compiled and cached once
const before = heap();
for (const round of [1, 2, 3, 4, 5]) await useOnce(round);
const after = heap();
console.log(after - before);
await hub.close();
