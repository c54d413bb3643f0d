export { eventStream } from "./event-stream.ts";
export type { KoaNative } from "./event-stream.ts";
