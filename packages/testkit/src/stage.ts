import { randomUUID } from "node:crypto";
import http from "node:http";
import https from "node:https";
import { openSession, openStream } from "./client.ts";
import type { OpenOptions, StreamClient } from "./client.ts";
import type { CollectReport, ConnectionRecord, LedgerReport } from "./ledger.ts";

/** A server that mounts the fixtures of `createFixtures`, as {@link adapterSuite} starts it. */
export interface StartedServer {
  /** Without a slash at the end. */
  readonly url: string;
  /** Clients are to speak HTTP/2. Default false. */
  readonly http2?: boolean | undefined;
  /** The server or its platform cuts off connections on which nothing has moved for so long, in ms. Default: it does not. */
  readonly idleLimit?: number | undefined;
  /** Stops the server, and whatever is still open. */
  close(): Promise<void>;
}

/** What one behaviour is shown on: the server, and records that no other behaviour writes to. */
export class Stage {
  readonly server: StartedServer;
  readonly #key = randomUUID();
  readonly #clients: StreamClient[] = [];
  readonly #lines: { destroy(): void }[] = [];

  constructor(server: StartedServer) {
    this.server = server;
  }

  /** Where a fixture is, for this behaviour. */
  url(path: string, query: Readonly<Record<string, string>> = {}): URL {
    const url = new URL(this.server.url + path);
    url.search = new URLSearchParams({ key: this.#key, ...query }).toString();
    return url;
  }

  /** Opens a stream that is left again when the behaviour has been shown. */
  async open(
    path: string,
    options: OpenOptions & { readonly query?: Record<string, string> } = {},
  ): Promise<StreamClient> {
    // A server that never answers fails the behaviour by its name, not by the time that is up.
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), 8000);
    const signal = AbortSignal.any([patience.signal, ...(options.signal === undefined ? [] : [options.signal])]);
    try {
      const client = await openStream(this.url(path, options.query), { http2: this.server.http2, ...options, signal });
      this.#clients.push(client);
      return client;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Opens a stream that ends by itself, and reads it to its end. */
  async read(
    path: string,
    options: OpenOptions & { readonly query?: Record<string, string> } = {},
  ): Promise<StreamClient> {
    const client = await this.open(path, options);
    await client.until(({ end }) => end !== undefined);
    return client;
  }

  /**
   * A connection that outlives its streams, one after another; on HTTP/2 a session.
   *
   * @returns what to open streams with, and how many connections it has taken so far
   */
  async line(): Promise<{ readonly options: OpenOptions; connections(): number }> {
    if (this.server.http2 === true) {
      const session = await openSession(this.server.url);
      this.#lines.push(session);
      return { options: { session }, connections: () => 1 };
    }
    const agent = new (this.server.url.startsWith("https:") ? https : http).Agent({ keepAlive: true, maxSockets: 1 });
    this.#lines.push(agent);
    let connections = 0;
    const connect = agent.createConnection;
    agent.createConnection = (...args) => {
      connections++;
      return connect.apply(agent, args);
    };
    return { options: { agent }, connections: () => connections };
  }

  /** What the server has seen of this behaviour's connections. */
  async records(): Promise<readonly ConnectionRecord[]> {
    return (await this.#report()).connections;
  }

  /** What the server has seen of all. */
  report(): Promise<LedgerReport> {
    return this.#report("");
  }

  /** What the server still holds of this behaviour's connections that have ended, once it has collected its garbage. */
  async collected(): Promise<CollectReport> {
    return JSON.parse(await this.#told("/collect")) as CollectReport;
  }

  /**
   * Publishes events on this behaviour's channel, all at once: the numbers from `first` on, as data.
   *
   * @returns the id of the last
   */
  publish(first: number, count = 1): Promise<string> {
    return this.#told("/publish", { first: `${first}`, count: `${count}` });
  }

  /** Closes this behaviour's channel. */
  async seal(): Promise<void> {
    await this.#told("/seal");
  }

  /** Drains the hub of this behaviour's channel, or the one that functions are under. */
  async drain(what: "channel" | "functions"): Promise<void> {
    await this.#told(what === "channel" ? "/drain" : "/drain-functions");
  }

  /** Lets `/stepped` take a step. */
  async go(): Promise<void> {
    await this.read("/go", { method: "POST" });
  }

  /**
   * Resolves when the server has seen what the condition wants.
   *
   * @param within in ms
   */
  async until(condition: (records: readonly ConnectionRecord[]) => boolean, within: number): Promise<void> {
    const startedAt = performance.now();
    for (;;) {
      const records = await this.records();
      if (condition(records)) return;
      if (performance.now() - startedAt > within) {
        throw new Error(
          `Cannot go on: ${within} ms have passed, and it is not so that ${String(condition)}: ${JSON.stringify(records.slice(0, 3))}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Leaves all that is open. */
  leave(): void {
    for (const client of this.#clients) {
      if (client.end === undefined) client.leave();
    }
    for (const line of this.#lines) line.destroy();
  }

  async #report(key: string = this.#key): Promise<LedgerReport> {
    return JSON.parse(await this.#told("/ledger", { key })) as LedgerReport;
  }

  /** What one of the fixtures says that steer the server and look at it. */
  async #told(path: string, query: Record<string, string> = {}): Promise<string> {
    const { events } = await this.read(path, { method: "POST", query });
    return events[0]?.data ?? "null";
  }
}
