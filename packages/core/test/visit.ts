import { createDecoder, eventStream } from "../src/index.ts";
import type { Channel, Connection, DecodedEvent, EventStreamOptions, FetchNative, Source } from "../src/index.ts";

/** Options of {@link visit}. */
export interface VisitOptions {
  readonly lastEventId?: string | undefined;
  readonly url?: string | undefined;
  readonly options?: EventStreamOptions<FetchNative>;
}

/** A client of a fetch handler, which takes nothing unless it is told to read. */
export class Visit {
  readonly response: Response;
  /** What the server knows of it; undefined where it never came so far. */
  readonly connection: Connection | undefined;
  /** All that came, as text and as events. */
  text = "";
  readonly events: DecodedEvent[] = [];
  readonly #decoder = createDecoder({ onEvent: (event) => this.events.push(event) });
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;

  constructor(response: Response, connection: Connection | undefined) {
    this.response = response;
    this.connection = connection;
    this.#reader = response.body?.getReader();
  }

  get lastEventId(): string {
    return this.#decoder.lastEventId;
  }

  /** The data of what came; what is Sluice's own as `live`, `end` and `gap:<reason>`. */
  get told(): string[] {
    return this.events.map(({ event, data }) => {
      if (event === "sluice.gap") return `gap:${(JSON.parse(data) as { reason: string }).reason}`;
      return event?.startsWith("sluice.") === true ? event.slice("sluice.".length) : data;
    });
  }

  /** @returns the next bytes as text; undefined at the end */
  async read(): Promise<string | undefined> {
    const { done, value } = (await this.#reader?.read()) ?? { done: true, value: undefined };
    if (done || value === undefined) return undefined;
    const text = new TextDecoder().decode(value);
    this.text += text;
    this.#decoder.push(value);
    return text;
  }

  /** Reads until that has come, and answers all that has been told. */
  async until(wanted: string): Promise<string[]> {
    while (!this.told.includes(wanted)) {
      if ((await this.read()) === undefined) throw new Error(`It ended before ${wanted}: ${this.told.join(", ")}`);
    }
    return this.told;
  }

  /** As `told`, of what is news to a client that has been live and has stalled. */
  get news(): string[] {
    return this.told.filter((told) => told !== "live" && told !== "fills");
  }

  /** Reads to the end, and answers all that has been told. */
  async rest(): Promise<string[]> {
    while ((await this.read()) !== undefined);
    return this.told;
  }

  /** Reads no more, and has its socket full: what it has been sent until then it will get, with `fills` as the last. */
  async stall(channel: Channel): Promise<void> {
    await this.until("live");
    await channel.publish({ data: "fills" });
    await settled();
  }

  async leave(): Promise<void> {
    await this.#reader?.cancel();
  }
}

/** Opens a stream: a channel begins at the start of its log, nothing is written while nothing happens. */
export async function visit(
  source: Source<FetchNative>,
  { lastEventId, url = "http://localhost/", options = {} }: VisitOptions = {},
): Promise<Visit> {
  let connection: Connection | undefined;
  const { headers } = options;
  const handler = eventStream(source, {
    keepAlive: false,
    retry: false,
    start: "start",
    onError: () => {},
    ...options,
    headers: (opened) => {
      connection = opened;
      return typeof headers === "function" ? headers(opened) : (headers ?? {});
    },
  });
  const request = new Request(url, lastEventId === undefined ? {} : { headers: { "Last-Event-ID": lastEventId } });
  const response = await handler(request);
  return new Visit(response, connection);
}

/** Everything that waits for nothing but promises has happened. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 0);
  });
}
