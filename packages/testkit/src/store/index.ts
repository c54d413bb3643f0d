export { storeSuite } from "./store-suite.ts";
export type { StoreSuiteOptions } from "./store-suite.ts";
export type { BenchOptions, MakeOptions, MakeStore, StoreFaults } from "./bench.ts";
export { oneStorePerWorld } from "./one-store-per-world.ts";

export { laws } from "./laws/index.ts";
export type { Law, Laws } from "./laws/law.ts";
export { runLaw } from "./run-law.ts";
export { checkModel } from "./model.ts";
export type { ModelOptions } from "./model.ts";
export { exploreInterleavings } from "./interleavings.ts";
export type { Explored, InterleavingOptions } from "./interleavings.ts";

export { follow } from "./follow.ts";
export type { Follow, FollowOptions } from "./follow.ts";
export { unreliable, withBellFault } from "./wrap.ts";
export type { BellFault } from "./wrap.ts";
export { loopMutants, storeMutants } from "./mutants.ts";
