export { eventStream } from "./event-stream.ts";
export type { ExpressNative } from "./event-stream.ts";
