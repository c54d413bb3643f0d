export { eventStream } from "./event-stream.ts";
export type { FastifyHandler, FastifyNative } from "./event-stream.ts";
