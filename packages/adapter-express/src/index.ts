export { closeServer } from "@sluice/adapter-node";
export type { CloseServerOptions } from "@sluice/adapter-node";

export { eventStream } from "./event-stream.ts";
export type { ExpressNative } from "./event-stream.ts";
