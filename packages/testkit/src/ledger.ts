import type * as V8 from "node:v8";
import type * as VM from "node:vm";
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
  /** What the runtime has said of listeners that pile up since the fixtures were made. */
  readonly leakWarnings: readonly string[];
  /** What the server runs on, such as `Node.js/24.21.0`: as the runtime calls itself. */
  readonly runtime: string;
}

/** What the fixture `/collect` answers. */
export interface CollectReport {
  /**
   * Of the connections of one key that have ended, how many are still held by something: a timer, a listener, a socket.
   * Absent where the runtime lets nobody collect garbage.
   */
  readonly held?: number;
}

/** Keeps the records of one server's connections. */
export class Ledger {
  readonly #records: ConnectionRecord[] = [];
  // Held weakly, so that what else holds a connection can be told.
  readonly #recordOf = new WeakMap<Connection, ConnectionRecord>();
  readonly #connections = new Map<ConnectionRecord, WeakRef<Connection>>();
  readonly #unhandled: string[] = [];
  readonly #warnings: string[] = [];
  readonly #goes = new Map<string, number>();

  constructor() {
    onUnhandledRejection((reason) => this.#unhandled.push(textOf(reason)));
    onLeakWarning((warning) => this.#warnings.push(textOf(warning)));
  }

  /** The record of a connection, made at first sight. */
  recordOf(connection: Connection, path: string): ConnectionRecord {
    const known = this.#recordOf.get(connection);
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
    this.#records.push(record);
    this.#recordOf.set(connection, record);
    if (typeof WeakRef === "function") this.#connections.set(record, new WeakRef(connection));
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
    return {
      connections: key === "" ? this.#records : this.#recordsOf(key),
      open: this.#records.filter((record) => record.closed === undefined).length,
      unhandledRejections: this.#unhandled,
      leakWarnings: this.#warnings,
      runtime: runtimeName(),
    };
  }

  /** Collects garbage, and counts what is left of the connections of a key that have ended. */
  async collect(key: string): Promise<CollectReport> {
    const collectGarbage = garbageCollector();
    if (collectGarbage === undefined || typeof WeakRef !== "function") return {};
    // A WeakRef that was looked at holds on until the turn of the loop has ended.
    await new Promise((resolve) => setTimeout(resolve, 0));
    collectGarbage();
    const ended = this.#recordsOf(key).filter(({ closed }) => closed !== undefined);
    return { held: ended.filter((record) => this.#connections.get(record)?.deref() !== undefined).length };
  }

  #recordsOf(key: string): readonly ConnectionRecord[] {
    return this.#records.filter((record) => record.key === key);
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

/** What Node has and others have taken from it; no member is in every runtime. */
interface Scope {
  readonly process?: {
    readonly on?: (event: string, listener: (told: unknown) => void) => void;
    readonly getBuiltinModule?: (name: string) => object | undefined;
    readonly versions?: { readonly node?: string };
  };
  readonly navigator?: { readonly userAgent?: string };
  readonly Bun?: { readonly version: string; readonly gc: (force: boolean) => void };
  readonly Deno?: { readonly version: { readonly deno: string } };
  readonly EdgeRuntime?: string;
  readonly gc?: () => void;
}

const scope: Scope = globalThis as Scope;

/** By the means of Node, which Bun and Deno have too, else by the Web's. */
function onUnhandledRejection(tell: (reason: unknown) => void): void {
  if (typeof scope.process?.on === "function") return void scope.process.on("unhandledRejection", tell);
  globalThis.addEventListener("unhandledrejection", (event) => tell((event as { reason?: unknown }).reason));
}

function onLeakWarning(tell: (warning: unknown) => void): void {
  scope.process?.on?.("warning", (warning) => {
    if (warning instanceof Error && warning.name === "MaxListenersExceededWarning") tell(warning);
  });
}

function runtimeName(): string {
  if (scope.Bun !== undefined) return `Bun/${scope.Bun.version}`;
  if (scope.Deno !== undefined) return `Deno/${scope.Deno.version.deno}`;
  const node = scope.process?.versions?.node;
  return node === undefined ? (scope.navigator?.userAgent ?? scope.EdgeRuntime ?? "unknown") : `Node.js/${node}`;
}

/** What collects garbage at once; undefined where the runtime lets nobody. */
function garbageCollector(): (() => void) | undefined {
  const { Bun, gc } = scope;
  if (Bun !== undefined) return () => Bun.gc(true);
  if (gc !== undefined) return gc;
  if (scope.Deno !== undefined) return undefined;
  const v8 = scope.process?.getBuiltinModule?.("node:v8") as typeof V8 | undefined;
  const vm = scope.process?.getBuiltinModule?.("node:vm") as typeof VM | undefined;
  if (v8?.setFlagsFromString === undefined || vm === undefined) return undefined;
  v8.setFlagsFromString("--expose-gc");
  return vm.runInNewContext("gc") as () => void;
}
