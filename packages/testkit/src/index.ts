export { adapterSuite } from "./adapter-suite.ts";
export type { AdapterSuiteOptions, Behaviour, Exception, Exceptions } from "./adapter-suite.ts";
export type { CompatibilityReport, ShownBehaviour } from "./compatibility.ts";
export type { StartedServer, Stage } from "./stage.ts";

export { createFixtures } from "./fixtures.ts";
export type { Fixtures, FixturesOptions } from "./fixtures.ts";
export type { CollectReport, ConnectionRecord, LedgerReport } from "./ledger.ts";

export { connectAndLeave, connectAndReset, connectStalled, openSession, openStream } from "./client.ts";
export type { LeaveOptions, OpenOptions, StreamClient } from "./client.ts";
export { selfSigned } from "./self-signed.ts";
export type { SelfSigned } from "./self-signed.ts";
export { serveNode } from "./serve-node.ts";
export { serveProcess } from "./serve-process.ts";

export { storeSuite } from "./store/store-suite.ts";
export type { StoreSuiteOptions } from "./store/store-suite.ts";
export type { BenchOptions, MakeOptions, MakeStore, StoreFaults } from "./store/bench.ts";
export { oneStorePerWorld } from "./store/one-store-per-world.ts";

export { laws } from "./store/laws/index.ts";
export type { Law, Laws } from "./store/laws/law.ts";
export { runLaw } from "./store/run-law.ts";
export { checkModel } from "./store/model.ts";
export type { ModelOptions } from "./store/model.ts";
export { exploreInterleavings } from "./store/interleavings.ts";
export type { Explored, InterleavingOptions } from "./store/interleavings.ts";
export { exploreStreams } from "./store/stream-interleavings.ts";
export type { StreamInterleavingOptions } from "./store/stream-interleavings.ts";

export { follow } from "./store/follow.ts";
export type { Follow, FollowOptions } from "./store/follow.ts";
export { unreliable, withBellFault } from "./store/wrap.ts";
export type { BellFault } from "./store/wrap.ts";
export { loopMutants, storeMutants } from "./store/mutants.ts";
