/** The id of a stored event: opaque, `[a-z0-9.]{1,48}`. Within one epoch, lexicographic order is the order of the log. */
export type EventId = string;

/** A place in a log: behind the event with that id, or `"origin"`, before the first event that was ever appended. */
// oxlint-disable-next-line typescript/no-redundant-type-constituents -- the literals are for the reader
export type Position = EventId | "origin";

/** Where to read on from: a position, `"start"` (the first retained event) or `"tail"` (behind the last). */
// oxlint-disable-next-line typescript/no-redundant-type-constituents -- as above
export type Cursor = Position | "start" | "tail";

/** An event as it is appended: the log mints the id. */
export interface NewEvent {
  readonly event?: string;
  readonly data: string;
  /** What the event is about, for readers that want only the newest about each. */
  readonly key?: string;
}

export interface StoredEvent extends NewEvent {
  readonly id: EventId;
  /** When it was appended, in ms since the epoch; for information, nothing is decided by it. */
  readonly at: number;
}

/** Why a slice does not continue the cursor that was given. */
export type GapReason =
  /** Events behind the cursor have been removed by retention. */
  | "truncated"
  /** The log was dropped, or lost its end: what the cursor names is no part of it. */
  | "reset"
  /** The cursor is none: garbage, or another store's. */
  | "unknown";

/** What a read finds: a contiguous run of events. */
export interface Slice {
  /** The position that these events follow. */
  readonly from: Position;
  readonly events: readonly StoredEvent[];
  /** The cursor for the next read. */
  readonly next: Position;
  /** Present where this slice does NOT continue the cursor; it then begins at the first retained event. */
  readonly gap?: GapReason;
  /** Nothing more was stored when this was read. */
  readonly upToDate: boolean;
  /** The log is sealed, and `next` is its end. */
  readonly closed: boolean;
}

/** Makes a retried append take effect once. An idempotency key K is `{ id: K, epoch: 0, seq: 0 }`. */
export interface Producer {
  /** At most 256 UTF-16 code units. */
  readonly id: string;
  /** Raised by a producer that takes over from its former self: appends of lower epochs are `fenced`. */
  readonly epoch: number;
  /** From 0 within an epoch, one more for each append. */
  readonly seq: number;
}

export interface AppendOptions {
  readonly producer?: Producer | undefined;
  /** Appends only if this is the tail, else `conflict`. `"origin"`: the first writer wins. */
  readonly ifTail?: Position | undefined;
  /** Seals the log with this append: nothing can follow. */
  readonly close?: boolean | undefined;
}

export interface Appended {
  /** The id of the last event of the log after the append; `"origin"` while it has none. */
  readonly tail: Position;
  /** The append had taken effect before, and has not again. */
  readonly duplicate: boolean;
}

export interface ReadOptions {
  /** The most events. Default 256. */
  readonly limit?: number | undefined;
  /** The most bytes of data, in about; one event is read whatever its size. Default 1 MiB. */
  readonly maxBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A store of event logs, one a channel: a log with a doorbell. All that readers need beyond it, replay, hand-over and
 * resume, is written once, in core; a store keeps to this contract, and `storeSuite` of `@sluice/testkit` checks it.
 *
 * - Events of a channel MUST be numbered without holes from 1, within the atomic append, and an event MUST NOT be visible
 *   before all that are numbered below it.
 * - An id MUST carry the epoch of the log, which is new each time the channel is first appended to, and a random tag of
 *   the append ({@link formatEventId}); it MUST NOT be made from a clock.
 * - What a cursor means MUST be decided by {@link resolveCursor}, and what becomes of an append by {@link resolveAppend},
 *   or as they decide it, where an engine runs code of its own.
 * - Retention MUST remove the oldest events first, and MUST keep the tag of the last one that it removed.
 * - A log that was closed MUST stay closed when its events expire: its tail, and that it was closed, are kept for up to
 *   `maxClosed` channels, and a read of it finds no events, and the end. `drop` forgets that too.
 * - Nothing MUST depend on the doorbell: it may be late, doubled, spurious or silent.
 * - A store MUST NOT hold replay logic, a set of seen ids, or a buffer for each reader.
 * - Errors are `SluiceError`s with one of the codes `closed`, `fenced`, `sequence`, `conflict`, `too-large` and
 *   `unavailable`; after `unavailable` the outcome of an append is unknown, and a retry with its producer is safe.
 */
export interface EventStore {
  /** Appends all of the events, or none. */
  append(channel: string, events: readonly NewEvent[], options?: AppendOptions): Promise<Appended>;
  /** Reads what follows the cursor, at once: it never waits for events. */
  read(channel: string, after: Cursor, options?: ReadOptions): Promise<Slice>;
  /** The tail of each of the channels, in their order; `"origin"` for one that has no events. */
  tails(channels: readonly string[]): Promise<readonly Position[]>;
  /**
   * Rings when the channel may have changed, until the signal aborts. Resolves when the bell is in place: what is
   * appended from then on rings. The hint, where there is one, is what a read from its `from` would have found.
   */
  watch(channel: string, ring: (hint?: Slice) => void, signal: AbortSignal): Promise<void>;
  /** Forgets the channel, and that it was closed; the next append begins a new epoch. */
  drop(channel: string): Promise<void>;
  /** Lets go of what the store holds; later calls are `unavailable`. */
  close(): Promise<void>;
  /** What an acknowledged append survives: nothing but the process's life, a crash but for the last moments, or a crash. */
  readonly durability: "process" | "async" | "sync";
}
