import type { Connection } from "./connection.ts";
import type { GapReason } from "./event-store.ts";
import type { CloseReason } from "./writer.ts";

/**
 * Told of what happens in a hub, as it happens: for metrics, logs and traces. Every member is optional, and one that is
 * left out costs nothing. What a member throws is written to the console and otherwise ignored.
 */
export interface HubObserver {
  /** A connection was opened. */
  readonly opened?: ((told: { readonly connection: Connection }) => void) | undefined;
  /** A connection is over; `age` in ms since it was opened. */
  readonly closed?:
    | ((told: { readonly connection: Connection; readonly reason: CloseReason; readonly age: number }) => void)
    | undefined;
  /** A client was refused, and why: `draining`, or the name of the limit. */
  readonly refused?: ((told: { readonly connection: Connection; readonly why: Refusal }) => void) | undefined;
  /** Events were appended to a channel by this hub. They may have been delivered by then: a store rings before it answers. */
  readonly published?: ((told: { readonly channel: string; readonly events: number }) => void) | undefined;
  /** Something was handed to a connection. */
  readonly delivered?: ((told: Delivery) => void) | undefined;
  /** As `delivered`, and it came from the store: the client was behind. */
  readonly replayed?: ((told: Delivery) => void) | undefined;
  /** A connection was told of a gap. */
  readonly gap?:
    | ((told: {
        readonly connection: Connection;
        readonly channel: string;
        readonly reason: GapReason | "skipped";
      }) => void)
    | undefined;
}

/** What was handed to a connection in one write. */
export interface Delivery {
  readonly connection: Connection;
  readonly bytes: number;
  readonly events: number;
  /** How many events the connection is still behind the newest of its channel; 0 for a function's. */
  readonly lag: number;
}

/** Why a hub does not take a connection. */
export type Refusal = "draining" | "maxConnections" | "maxConnectionsPerKey" | "maxLiveChannels";

/** What a hub has done since it was made, and how it stands: what `hub.stats()` returns. */
export interface HubStats {
  /** Connections that are open. */
  readonly connections: number;
  /** Of these, how many hold all that they can: their clients read slower than they are written to, or not at all. */
  readonly full: number;
  /** The most events that a connection is behind its channel; Infinity where its log has become another meanwhile. */
  readonly maxLag: number;
  /** Channels that are kept at hand, as they are read or have been lately. */
  readonly channels: number;
  readonly isDraining: boolean;
  readonly opened: number;
  /** How many connections are over, by reason. */
  readonly closed: Readonly<Partial<Record<CloseReason, number>>>;
  readonly refused: Readonly<Partial<Record<Refusal, number>>>;
  /** Events that this hub has published. */
  readonly published: number;
  /** Events and bytes that were handed to connections, each counted for each of them. */
  readonly deliveredEvents: number;
  readonly deliveredBytes: number;
  /** Events that came from the store, for clients that were behind. */
  readonly replayedEvents: number;
  /** How many times a connection was told of a gap. */
  readonly gaps: number;
}
