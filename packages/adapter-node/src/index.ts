export { eventStream } from "./event-stream.ts";
export type { NodeHandler, NodeNative } from "./event-stream.ts";
export { respondWith } from "./respond-with.ts";
export type { NodeRequest, NodeResponse } from "./respond-with.ts";
