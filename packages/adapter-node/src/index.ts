export { eventStream } from "./event-stream.ts";
export type { NodeHandler, NodeNative } from "./event-stream.ts";

export { closeServer } from "./close-server.ts";
export type { CloseServerOptions } from "./close-server.ts";

export { isNodeCall, respondWith } from "./respond-with.ts";
export { openBody } from "./open-body.ts";
export type { Answer } from "./open-body.ts";
export { exchangeOf } from "./exchange.ts";
export type { NodeRequest } from "./exchange.ts";
export type { NodeResponse } from "./response-sink.ts";
