export { eventStream } from "./event-stream.ts";
export type { DenoInfo, DenoNative } from "./event-stream.ts";
