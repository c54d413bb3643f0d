import type { Storage } from "@sluice/store-durable-object";

// What the Workers of these tests use of the platform; examples/cloudflare is written against its own types.

export interface Env {
  readonly OBJECTS: {
    idFromName(name: string): object;
    get(id: object): { fetch(request: Request): Promise<Response> };
  };
}

export interface ObjectContext {
  readonly storage: Storage & { deleteAll(): Promise<void> };
  waitUntil(promise: Promise<unknown>): void;
  /** Evicts the object at once, with all of its requests: the next one finds a new instance over the same storage. */
  abort(reason?: string): void;
}
