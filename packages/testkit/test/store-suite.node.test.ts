import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { SluiceError } from "@sluice/core";
import type { EventStore, Retention } from "@sluice/core";
import { describe, expect, test } from "vitest";
import { checkModel, exploreInterleavings, laws, oneStorePerWorld, runLaw, storeSuite } from "../src/index.ts";
import type { MakeOptions } from "../src/index.ts";
import { override } from "../src/store/wrap.ts";

interface Data {
  readonly logs: Map<
    string,
    { kept: object[]; trimmed: object; tail: object; readonly producers: Map<string, unknown> }
  >;
  readonly ended: Map<string, object>;
}
interface Guide {
  readonly ArrayData: new () => Data;
  readonly arrayStore: (
    data: Data,
    options: { retention?: Retention | undefined; maxIdle?: number | undefined },
  ) => EventStore;
}

/** The store that docs/guide/writing-a-store.md writes: two nodes of it share their data, and its data can be harmed. */
const { ArrayData, arrayStore } = await guide();

describe("the guide's store, on a backend that is killed, wiped and rolled back", () => {
  const worlds = new Map<string, { data: Data; isUp: boolean }>();
  const worldOf = (name: string): { data: Data; isUp: boolean } => {
    const world = worlds.get(name) ?? { data: new ArrayData(), isUp: true };
    worlds.set(name, world);
    return world;
  };
  const make = async ({ world: name, ...options }: MakeOptions): Promise<EventStore> => {
    const world = worldOf(name);
    return overNetwork(arrayStore(world.data, options), () => world.isUp);
  };

  storeSuite({
    make,
    faults: {
      kill: async (world) => void (worldOf(world).isUp = false),
      restart: async (world) => void (worldOf(world).isUp = true),
      wipe: async (world) => {
        worldOf(world).data.logs.clear();
        worldOf(world).data.ended.clear();
      },
      loseTail: async (world, channel, count) => {
        const log = worldOf(world).data.logs.get(channel)!;
        log.kept.splice(-count);
        log.tail = log.kept.at(-1) ?? log.trimmed;
      },
    },
  });
});

test("readers and writers get over a failover to a replica that lags", { timeout: 60_000 }, async () => {
  const data = new ArrayData();
  let isUp = true;
  let appends = 0;
  let replica = structuredClone(data.logs);
  const make = async (options: MakeOptions): Promise<EventStore> => {
    const store = overNetwork(arrayStore(data, options), () => isUp);
    return override(store, {
      durability: "async",
      append: (...given) => {
        if (appends++ % 20 === 0) replica = structuredClone(data.logs);
        return store.append(...given);
      },
    });
  };
  const kill = async (): Promise<void> => {
    isUp = false;
    data.logs.clear();
    for (const [channel, log] of replica) data.logs.set(channel, structuredClone(log));
  };
  const restart = async (): Promise<void> => void (isUp = true);
  const name = Object.keys(laws).find((law) => law.includes("killed and restarted"))!;
  expect(await runLaw(laws[name]!, { make, faults: { kill, restart } })).toBeUndefined();
});

/** What a client of a server sees: calls take a moment, and those that are under way when it dies have an unknown outcome. */
function overNetwork(store: EventStore, isUp: () => boolean): EventStore {
  const call = async <Result>(run: () => Promise<Result>): Promise<Result> => {
    const travel = async (): Promise<void> => {
      await new Promise((resolve) => setImmediate(resolve));
      if (!isUp()) throw new SluiceError("unavailable", "The server is down");
    };
    await travel();
    const result = await run();
    await travel();
    return result;
  };
  return override(store, {
    durability: "sync",
    append: (...given) => call(() => store.append(...given)),
    read: (...given) => call(() => store.read(...given)),
    tails: (...given) => call(() => store.tails(...given)),
    watch: (...given) => call(() => store.watch(...given)),
    drop: (...given) => call(() => store.drop(...given)),
  });
}

test("the guide's store hands over exactly in many interleavings", { timeout: 60_000 }, async () => {
  const make = (options: { retention: Retention }): EventStore => arrayStore(new ArrayData(), options);
  expect(await exploreInterleavings({ make, count: 2000 })).toEqual({ runs: 2000, distinct: 2000 });
});

test("the guide names every law", () => {
  const text = guideText();
  for (const name of Object.keys(laws)) {
    const number = /^law (\d+):/.exec(name)?.[1];
    if (number !== undefined) expect(text).toContain(`\n| ${number} `);
  }
});

test("a law that lacks a fault says which", async () => {
  const make = oneStorePerWorld((options) => arrayStore(new ArrayData(), options));
  const reason = await runLaw(laws["law 11: a lost tail, refilled or not: `reset`"]!, { make });
  expect(reason).toBe("faults.loseTail is not given");
});

test("a counterexample of the model is a short list of commands", async () => {
  const make = oneStorePerWorld((options) => {
    const store = arrayStore(new ArrayData(), options);
    // Forgets that a log was closed, once it has been read.
    return override(store, { read: async (...given) => ({ ...(await store.read(...given)), closed: false }) });
  });
  const error = await checkModel({ make, runs: 400 }).catch((reason: Error) => reason);
  expect(String(error)).toContain(
    'Counterexample: [[{"on":"a","command":{"append":[],"close":true}},{"on":"a","command":{"read":"origin","limit":1}}]]',
  );
});

test("an exception has to be the name of a law", () => {
  const make = async (): Promise<EventStore> => arrayStore(new ArrayData(), {});
  expect(() => storeSuite({ make, exceptions: { "law 99": "why" } })).toThrow('there is no law "law 99"');
});

async function guide(): Promise<Guide> {
  const [, code = ""] = /```ts\n(.*?)```/s.exec(guideText()) ?? [];
  const core = import.meta.resolve("@sluice/core");
  const module = stripTypeScriptTypes(code).replaceAll('"@sluice/core"', JSON.stringify(core));
  return (await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(module)}`)) as Guide;
}

function guideText(): string {
  return readFileSync(new URL("../../../docs/guide/writing-a-store.md", import.meta.url), "utf8");
}
