import { fileURLToPath } from "node:url";
import { storeSuite } from "@sluice/testkit";
import type { Slice } from "@sluice/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
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

  test("an event over what the platform stores in a row is too large, and leaves nothing", async () => {
    const store = nodeOf("large", { retention: { maxBytes: 16 * 1024 * 1024 } });
    const large = store.append("c", [{ data: "small" }, { data: "x".repeat(3_000_000) }]);
    await expect(large).rejects.toMatchObject({ code: "too-large" });
    expect(await store.tails(["c"])).toEqual(["origin"]);
    await store.append("c", [{ data: "x".repeat(2_000_000) }]);
    expect((await store.read("c", "start")).events[0]?.data).toHaveLength(2_000_000);
    await store.close();
  });

  test("text that no bytes can hold is the same live and replayed", async () => {
    const store = nodeOf("text");
    const watching = new AbortController();
    const live = new Promise<Slice | undefined>((resolve) => {
      store.watch("c", resolve, watching.signal).then(
        () => store.append("c", [{ event: "\ud800", data: "a\udfffb\0c", key: "\ud800\ud800" }]),
        () => resolve(undefined),
      );
    });
    const { events } = await store.read("c", "origin", { limit: 1 }).then(async () => (await live) ?? { events: [] });
    expect(events).toMatchObject([{ event: "\ufffd", data: "a\ufffdb\0c", key: "\ufffd\ufffd" }]);
    expect((await store.read("c", "origin")).events).toEqual(events);
    watching.abort();
    await store.close();
  });

  test("of producers over maxProducers those that were silent the longest are forgotten, and no others", async () => {
    const store = nodeOf("producers", { maxProducers: 20 });
    const append = (id: number): Promise<{ readonly duplicate: boolean }> =>
      store.append("c", [{ data: `${id}` }], { producer: { id: `p${id}`, epoch: 0, seq: 0 } });
    for (let id = 0; id <= 20; id++) expect((await append(id)).duplicate).toBe(false);
    // One over, and a tenth of twenty with it.
    for (let id = 20; id >= 3; id--) expect([id, (await append(id)).duplicate]).toEqual([id, true]);
    for (let id = 0; id < 3; id++) expect([id, (await append(id)).duplicate]).toEqual([id, false]);
    await store.close();
  });

  test("of closed channels that have expired the newest maxClosed are remembered, and no others", async () => {
    const store = nodeOf("closed", { maxIdle: 1, maxClosed: 20 });
    const channels = Array.from({ length: 25 }, (_, i) => `c${i}`);
    const tails: string[] = [];
    for (const channel of channels) {
      tails.push((await store.append(channel, [{ data: "x" }], { close: true })).tail);
      await new Promise((resolve) => setTimeout(resolve, 5));
      // It expires when it is asked for.
      expect((await store.read(channel, "start")).closed).toBe(true);
    }
    expect(await store.tails(channels)).toEqual(tails.map((tail, i) => (i < 5 ? "origin" : tail)));
    expect((await store.read("c0", tails[0] as string)).gap).toBe("reset");
    await store.close();
  });

  test("a channel that is watched does not expire", async () => {
    const store = nodeOf("watched", { maxIdle: 300 });
    await Promise.all(["watched", "left"].map((channel) => store.append(channel, [{ data: "1" }])));
    const watching = new AbortController();
    await store.watch("watched", () => {}, watching.signal);
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect((await store.tails(["watched", "left"])).map((tail) => tail === "origin")).toEqual([false, true]);
    watching.abort();
    await store.close();
  });
});
