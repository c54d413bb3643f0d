export { durableObjectStore } from "./durable-object-store.ts";
export type { DurableObjectStoreOptions } from "./durable-object-store.ts";
export type { SqlCursor, SqlStorage, Storage } from "./storage.ts";
