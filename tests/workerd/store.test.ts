import { fileURLToPath } from "node:url";
import { storeSuite } from "@sluice/testkit";
import { afterAll, beforeAll, describe } from "vitest";
import { RemoteStore } from "./remote-store.ts";
import { canRunWorkerd, startWorkerd } from "./start.ts";
import type { Workerd } from "./start.ts";

describe.runIf(canRunWorkerd())("durableObjectStore in workerd", () => {
  let workerd: Workerd;
  beforeAll(async () => {
    const entry = fileURLToPath(new URL("workers/store.ts", import.meta.url));
    workerd = await startWorkerd({ entry, className: "StoreObject" });
  });
  afterAll(() => workerd?.close());

  const nodeOf = (world: string, options = {}): RemoteStore => new RemoteStore(`${workerd.url}/${world}`, options);

  storeSuite({
    make: async ({ world, ...options }) => nodeOf(world, options),
    faults: {
      kill: () => workerd.kill(),
      restart: () => workerd.restart(),
      wipe: async (world) => void (await nodeOf(world).call({ method: "wipe", args: [] })),
      loseTail: async (world, ...args) => void (await nodeOf(world).call({ method: "loseTail", args })),
      stepClock: async (world, ms) => void (await nodeOf(world).call({ method: "stepClock", args: [ms] })),
    },
  });
});
