import type { EventStore, Retention } from "@sluice/core";
import type { MakeOptions, MakeStore } from "./bench.ts";

/**
 * Makes `make` for a store that cannot have two nodes, because its data is in one object: both nodes of a world are the
 * one store of that world. The options are those of `memoryStore`.
 */
export function oneStorePerWorld(
  create: (options: { readonly retention?: Retention; readonly maxIdle?: number }) => EventStore,
): MakeStore {
  const worlds = new Map<string, EventStore>();
  return async ({ world, retention, maxIdle }: MakeOptions) => {
    const options = { ...(retention !== undefined && { retention }), ...(maxIdle !== undefined && { maxIdle }) };
    const store = worlds.get(world) ?? create(options);
    worlds.set(world, store);
    return store;
  };
}
