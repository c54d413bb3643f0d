export { eventStream } from "./event-stream.ts";
export type { BunNative, BunServer } from "./event-stream.ts";
