import { randomUUID } from "node:crypto";
import { openStream } from "./client.ts";
import type { OpenOptions, StreamClient } from "./client.ts";
import type { ConnectionRecord, LedgerReport } from "./ledger.ts";

/** A server that mounts the fixtures of `createFixtures`, as {@link adapterSuite} starts it. */
export interface StartedServer {
  /** Without a slash at the end. */
  readonly url: string;
  /** Clients are to speak HTTP/2. Default false. */
  readonly http2?: boolean | undefined;
  /** Stops the server, and whatever is still open. */
  close(): Promise<void>;
}

/** What one behaviour is shown on: the server, and records that no other behaviour writes to. */
export class Stage {
  readonly server: StartedServer;
  readonly #key = randomUUID();
  readonly #clients: StreamClient[] = [];

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
    const client = await openStream(this.url(path, options.query), { http2: this.server.http2, ...options });
    this.#clients.push(client);
    return client;
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

  /** What the server has seen of this behaviour's connections. */
  async records(): Promise<readonly ConnectionRecord[]> {
    return (await this.#report()).connections;
  }

  /** What the server has seen of all. */
  report(): Promise<LedgerReport> {
    return this.#report("");
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
  }

  async #report(key: string = this.#key): Promise<LedgerReport> {
    const client = await this.read("/ledger", { method: "POST", query: { key } });
    return JSON.parse(client.events[0]?.data ?? "null") as LedgerReport;
  }
}
