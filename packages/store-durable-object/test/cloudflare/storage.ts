// Checked by the compiler alone: what the store declares of a Durable Object's storage is what Cloudflare has.
import { durableObjectStore } from "@sluice/store-durable-object";
import type { EventStore } from "@sluice/core";

export const storeOf = ({ storage }: DurableObjectState): EventStore =>
  durableObjectStore({ storage, retention: { maxAge: 60_000 } });
