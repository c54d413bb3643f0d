export { adapterSuite } from "./adapter-suite.ts";
export type { Behaviour, Exception, Exceptions } from "./adapter-suite.ts";
export type { StartedServer, Stage } from "./stage.ts";

export { createFixtures } from "./fixtures.ts";
export type { Fixtures } from "./fixtures.ts";
export type { ConnectionRecord, LedgerReport } from "./ledger.ts";

export { connectAndLeave, connectAndReset, connectStalled, openSession, openStream } from "./client.ts";
export type { OpenOptions, StreamClient } from "./client.ts";
export { selfSigned } from "./self-signed.ts";
export type { SelfSigned } from "./self-signed.ts";
export { serveNode } from "./serve-node.ts";
