import { parseEventId, positionOf, randomEpoch, randomTag, resolveAppend, resolveCursor } from "@sluice/core";
import type {
  Appended,
  AppendOptions,
  Cursor,
  LogEntry,
  LogLimits,
  LogMark,
  NewEvent,
  Position,
  Producer,
  ProducerMark,
  ReadOptions,
  Slice,
  StoredEvent,
} from "@sluice/core";
import type { SqlStorage, SqlValue } from "./storage.ts";

/** What an append has done. */
export interface Outcome extends Appended {
  /** What has been added; absent where nothing has changed. */
  readonly slice?: Slice;
}

/**
 * In ms since the epoch, and never stepped while the object is in memory: what is old is decided by it, and not by a wall
 * clock that somebody may set.
 */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/** One channel's log in SQLite. Every method is synchronous, and has to run within a transaction. */
export class Log {
  readonly #sql: SqlStorage;
  readonly #limits: LogLimits;
  /** As it was when the transaction began, and then as it is to be stored. */
  readonly #row: LogRow;

  private constructor(sql: SqlStorage, limits: LogLimits, row: LogRow) {
    this.#sql = sql;
    this.#limits = limits;
    this.#row = row;
  }

  /** The log of a channel, stored or not yet. */
  static of(sql: SqlStorage, channel: string, limits: LogLimits): Log {
    const [row] = rows<LogRow>(sql, "SELECT * FROM sluice_logs WHERE channel = ?", [channel]);
    if (row !== undefined) return new Log(sql, limits, row);
    const [ended] = rows<EndedRow>(sql, "SELECT tail FROM sluice_closed WHERE channel = ?", [channel]);
    return new Log(sql, limits, ended === undefined ? newRow(channel) : endedRow(channel, ended.tail));
  }

  get tail(): Position {
    return positionOf(this.#row.epoch, this.#tail);
  }

  get usedAt(): number {
    return this.#row.used_at;
  }

  touch(): void {
    this.#row.used_at = now();
    this.#exec("UPDATE sluice_logs SET used_at = ? WHERE channel = ?", [this.#row.used_at, this.#row.channel]);
  }

  append(events: readonly NewEvent[], options: AppendOptions): Outcome {
    const { producer, close = false } = options;
    const from = this.tail;
    const last = producer && this.#producer(producer.id);
    const { answer, entries } = resolveAppend(events, options, {
      tail: from,
      closed: this.#row.closed === 1,
      producer: last,
      maxBytes: this.#limits.maxBytes,
    });
    if (answer !== undefined) return answer;
    const stored = this.#insert(entries);
    this.#row.closed = close ? 1 : 0;
    this.#row.used_at = now();
    const { tail } = this;
    if (producer !== undefined) this.#remember(producer, tail, last === undefined);
    this.#findTrimmed();
    this.#save();
    return { tail, duplicate: false, slice: { from, events: stored, next: tail, upToDate: true, closed: close } };
  }

  read(after: Cursor, { limit = 256, maxBytes = 1024 * 1024 }: ReadOptions): Slice {
    if (this.#findTrimmed()) this.#save();
    const bounds = { epoch: this.#row.epoch, trimmed: this.#trimmed, tail: this.#tail };
    const { mark, gap } = resolveCursor(
      after,
      bounds.tail.seq === 0 ? undefined : bounds,
      (seq) => this.#sizeAt(seq)?.tag,
    );
    const events = this.#select(mark, limit, maxBytes);
    const next = events.at(-1)?.id ?? positionOf(this.#row.epoch, mark);
    const upToDate = next === this.tail;
    return {
      from: positionOf(this.#row.epoch, mark),
      events,
      next,
      ...(gap !== undefined && { gap }),
      upToDate,
      closed: upToDate && this.#row.closed === 1,
    };
  }

  /** Of a channel that was closed it is remembered, and where it ended. */
  expire(): void {
    const { channel, closed } = this.#row;
    this.drop();
    if (closed === 0) return;
    this.#exec("INSERT INTO sluice_closed (channel, tail) VALUES (?, ?)", [channel, this.tail]);
    this.#exec("DELETE FROM sluice_closed WHERE turn <= (SELECT MAX(turn) FROM sluice_closed) - ?", [
      this.#limits.maxClosed,
    ]);
  }

  drop(): void {
    this.#exec("DELETE FROM sluice_events WHERE epoch = ?", [this.#row.epoch]);
    this.#exec("DELETE FROM sluice_producers WHERE epoch = ?", [this.#row.epoch]);
    this.#exec("DELETE FROM sluice_logs WHERE channel = ?", [this.#row.channel]);
    this.#exec("DELETE FROM sluice_closed WHERE channel = ?", [this.#row.channel]);
  }

  get #tail(): LogMark {
    return { seq: this.#row.tail_seq, tag: this.#row.tail_tag };
  }

  get #trimmed(): LogMark {
    return { seq: this.#row.trimmed_seq, tag: this.#row.trimmed_tag };
  }

  #insert(entries: readonly LogEntry[]): readonly StoredEvent[] {
    const row = this.#row;
    if (entries.length > 0) row.tail_tag = randomTag();
    const at = Math.floor(now());
    return entries.map(({ bytes, ...event }) => {
      row.tail_seq++;
      row.bytes += bytes;
      this.#exec(
        "INSERT INTO sluice_events (epoch, seq, tag, bytes, at, event, key, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [row.epoch, row.tail_seq, row.tail_tag, bytes, at, event.event ?? null, event.key ?? null, event.data],
      );
      return { ...event, id: this.tail, at };
    });
  }

  /** The sizes first, and then no more data than is asked for: a cursor that is left half read would stay open. */
  #select(after: LogMark, limit: number, maxBytes: number): readonly StoredEvent[] {
    const { epoch } = this.#row;
    let last = after.seq;
    let bytes = 0;
    const query = "SELECT seq, bytes FROM sluice_events WHERE epoch = ? AND seq > ? ORDER BY seq LIMIT ?";
    for (const size of rows<EventRow>(this.#sql, query, [epoch, after.seq, limit])) {
      bytes += size.bytes;
      if (last > after.seq && bytes > maxBytes) break;
      last = size.seq;
    }
    return rows<EventRow>(
      this.#sql,
      "SELECT * FROM sluice_events WHERE epoch = ? AND seq > ? AND seq <= ? ORDER BY seq",
      [epoch, after.seq, last],
    ).map(({ seq, tag, event, data, key, at }) => ({
      ...(event !== null && { event }),
      data,
      ...(key !== null && { key }),
      id: positionOf(this.#row.epoch, { seq, tag }),
      at,
    }));
  }

  /** Finds what retention no longer allows, oldest first, and deletes it. @returns whether there was any */
  #findTrimmed(): boolean {
    const { maxEvents, maxBytes, maxAge } = this.#limits;
    const row = this.#row;
    const isOver = (): boolean => row.tail_seq - row.trimmed_seq > maxEvents || row.bytes > maxBytes;
    if (!isOver() && maxAge === Infinity) return false;
    const before = row.trimmed_seq;
    let oldest = this.#sizeAt(before + 1);
    while (oldest !== undefined && (isOver() || now() - oldest.at > maxAge)) {
      row.bytes -= oldest.bytes;
      row.trimmed_seq = oldest.seq;
      row.trimmed_tag = oldest.tag;
      oldest = this.#sizeAt(oldest.seq + 1);
    }
    if (row.trimmed_seq === before) return false;
    this.#exec("DELETE FROM sluice_events WHERE epoch = ? AND seq <= ?", [row.epoch, row.trimmed_seq]);
    return true;
  }

  #sizeAt(seq: number): EventRow | undefined {
    const query = "SELECT seq, tag, bytes, at FROM sluice_events WHERE epoch = ? AND seq = ?";
    return rows<EventRow>(this.#sql, query, [this.#row.epoch, seq])[0];
  }

  #producer(id: string): ProducerMark | undefined {
    const query = "SELECT producer_epoch AS epoch, seq, tail FROM sluice_producers WHERE epoch = ? AND id = ?";
    return rows<ProducerMark>(this.#sql, query, [this.#row.epoch, id])[0];
  }

  #remember({ id, epoch, seq }: Producer, tail: Position, isNew: boolean): void {
    const row = this.#row;
    const { maxProducers } = this.#limits;
    if (isNew) row.producers++;
    this.#exec(
      "INSERT OR REPLACE INTO sluice_producers (epoch, id, producer_epoch, seq, turn, tail) VALUES (?, ?, ?, ?, ?, ?)",
      [row.epoch, id, epoch, seq, ++row.turn, tail],
    );
    if (row.producers <= maxProducers) return;
    // In bulk, since finding the oldest looks at all of them.
    const forgotten = row.producers - maxProducers + Math.floor(maxProducers / 10);
    this.#exec(
      `DELETE FROM sluice_producers WHERE epoch = ?1 AND id IN
         (SELECT id FROM sluice_producers WHERE epoch = ?1 ORDER BY turn LIMIT ?2)`,
      [row.epoch, forgotten],
    );
    row.producers -= forgotten;
  }

  #save(): void {
    const columns = Object.keys(this.#row);
    this.#exec(
      `INSERT OR REPLACE INTO sluice_logs (${columns.join()}) VALUES (${columns.map(() => "?").join()})`,
      Object.values(this.#row),
    );
  }

  #exec(query: string, bindings: readonly SqlValue[]): void {
    this.#sql.exec(query, ...bindings);
  }
}

type LogRow = {
  readonly channel: string;
  readonly epoch: string;
  trimmed_seq: number;
  trimmed_tag: string;
  tail_seq: number;
  tail_tag: string;
  bytes: number;
  producers: number;
  /** How many appends with a producer there have been: the order in which producers fell silent. */
  turn: number;
  closed: number;
  used_at: number;
};

interface EndedRow {
  readonly tail: Position;
}

interface EventRow {
  readonly seq: number;
  readonly tag: string;
  readonly bytes: number;
  readonly at: number;
  readonly event: string | null;
  readonly key: string | null;
  readonly data: string;
}

function newRow(channel: string): LogRow {
  return {
    channel,
    epoch: randomEpoch(),
    trimmed_seq: 0,
    trimmed_tag: "",
    tail_seq: 0,
    tail_tag: "",
    bytes: 0,
    producers: 0,
    turn: 0,
    closed: 0,
    used_at: now(),
  };
}

/** Of a channel that has expired after it was closed: all events up to the tail are gone. */
function endedRow(channel: string, tail: Position): LogRow {
  const row = { ...newRow(channel), closed: 1 };
  const end = parseEventId(tail);
  if (end === undefined) return row;
  const { epoch, seq, tag } = end;
  return { ...row, epoch, tail_seq: seq, tail_tag: tag, trimmed_seq: seq, trimmed_tag: tag };
}

/** The rows of a statement, whose columns are those of the schema in storage.ts. */
function rows<Row>(sql: SqlStorage, query: string, bindings: readonly SqlValue[]): Row[] {
  return sql.exec(query, ...bindings).toArray() as Row[];
}
