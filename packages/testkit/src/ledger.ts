import type { CloseReason, Connection } from "@sluice/core";

/** What a server has seen of one connection to a fixture. */
export interface ConnectionRecord {
  /** The fixture's path. */
  readonly path: string;
  /** The query parameter `key` of the request, by which a test finds its own connections. */
  readonly key: string;
  /** The source was called. */
  started: boolean;
  /** How many values the source has produced, or has tried to send. */
  pulls: number;
  /** The source's `finally` ran, or its `cancel`. */
  finallyRan: boolean;
  /** The signal of the connection aborted. */
  aborted: boolean;
  /** Why the connection ended; absent while it is open. */
  closed?: CloseReason;
  /** What `onError` was told, as text. */
  readonly errors: string[];
}

/** What the fixture `/ledger` answers. */
export interface LedgerReport {
  /** The records, of one key where the request names one. */
  readonly connections: readonly ConnectionRecord[];
  /** How many of all connections are open. */
  readonly open: number;
  /** Rejections that nobody handled since the fixtures were made, as text. */
  readonly unhandledRejections: readonly string[];
}

/** Keeps the records of one server's connections. */
export class Ledger {
  readonly #records = new Map<Connection, ConnectionRecord>();
  readonly #unhandled: string[] = [];
  readonly #goes = new Map<string, number>();

  constructor() {
    onUnhandledRejection((reason) => this.#unhandled.push(textOf(reason)));
  }

  /** The record of a connection, made at first sight. */
  recordOf(connection: Connection, path: string): ConnectionRecord {
    const known = this.#records.get(connection);
    if (known !== undefined) return known;
    const record: ConnectionRecord = {
      path,
      key: keyOf(connection),
      started: false,
      pulls: 0,
      finallyRan: false,
      aborted: false,
      errors: [],
    };
    this.#records.set(connection, record);
    connection.signal.addEventListener("abort", () => {
      record.aborted = true;
    });
    void connection.closed.then((reason) => {
      record.closed = reason;
    });
    return record;
  }

  /** Lets `/stepped` of the same key take one step. */
  go(key: string): void {
    this.#goes.set(key, this.goes(key) + 1);
  }

  goes(key: string): number {
    return this.#goes.get(key) ?? 0;
  }

  report(key: string): LedgerReport {
    const all = [...this.#records.values()];
    return {
      connections: key === "" ? all : all.filter((record) => record.key === key),
      open: all.filter((record) => record.closed === undefined).length,
      unhandledRejections: this.#unhandled,
    };
  }
}

/** The query parameter `key`, `""` where there is none. */
export function keyOf(connection: Connection): string {
  return connection.url.searchParams.get("key") ?? "";
}

/** An error, or whatever was thrown, in one line. */
function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/** By the means of Node, which Bun and Deno have too, else by the Web's. */
function onUnhandledRejection(tell: (reason: unknown) => void): void {
  const scope = globalThis as {
    process?: { on?: (event: "unhandledRejection", listener: (reason: unknown) => void) => void };
  };
  if (typeof scope.process?.on === "function") return scope.process.on("unhandledRejection", tell);
  globalThis.addEventListener("unhandledrejection", (event) => tell((event as { reason?: unknown }).reason));
}
