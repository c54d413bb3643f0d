/** What SQLite binds and returns. */
export type SqlValue = string | number | null;

/** The rows of a statement, as Cloudflare's `SqlStorageCursor`. */
export interface SqlCursor {
  toArray(): Record<string, unknown>[];
}

/** As Cloudflare's `SqlStorage`. */
export interface SqlStorage {
  exec(query: string, ...bindings: SqlValue[]): SqlCursor;
}

/** What the store uses of `ctx.storage` in a Durable Object whose class has SQLite storage. */
export interface Storage {
  readonly sql: SqlStorage;
  transactionSync<Result>(run: () => Result): Result;
  sync(): Promise<void>;
}

// An epoch is drawn anew for each incarnation of a channel, so it names the log: to drop a log is to delete an epoch's
// rows. Sizes come before the data, so that summing them up does not read what overflows a page. WITHOUT ROWID, since
// each index is another row written, and rows written are what the platform charges for. Of a closed channel that has
// expired, one row of sluice_closed is left, numbered in the order of expiry.
const schema = `
CREATE TABLE IF NOT EXISTS sluice_logs (
  channel TEXT PRIMARY KEY,
  epoch TEXT NOT NULL,
  trimmed_seq INTEGER NOT NULL,
  trimmed_tag TEXT NOT NULL,
  tail_seq INTEGER NOT NULL,
  tail_tag TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  producers INTEGER NOT NULL,
  turn INTEGER NOT NULL,
  closed INTEGER NOT NULL,
  used_at REAL NOT NULL
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS sluice_events (
  epoch TEXT NOT NULL,
  seq INTEGER NOT NULL,
  tag TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  at REAL NOT NULL,
  event TEXT,
  key TEXT,
  data TEXT NOT NULL,
  PRIMARY KEY (epoch, seq)
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS sluice_producers (
  epoch TEXT NOT NULL,
  id TEXT NOT NULL,
  producer_epoch INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  turn INTEGER NOT NULL,
  tail TEXT NOT NULL,
  PRIMARY KEY (epoch, id)
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS sluice_closed (
  turn INTEGER PRIMARY KEY,
  channel TEXT NOT NULL UNIQUE,
  tail TEXT NOT NULL
) STRICT;
`;

/**
 * Runs statements as one: all take effect, or none where it throws. The tables are made when one is missing, and not
 * before: `deleteAll()` takes them away from under an object that goes on.
 */
export function atomically<Result>(storage: Storage, run: () => Result): Result {
  try {
    return storage.transactionSync(run);
  } catch (error) {
    if (!(error instanceof Error && error.message.includes("no such table: sluice_"))) throw error;
    return storage.transactionSync(() => {
      storage.sql.exec(schema);
      return run();
    });
  }
}
