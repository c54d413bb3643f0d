import { encodeFields } from "./encode.ts";
import { SluiceError, show } from "./errors.ts";
import { readFields } from "./event.ts";
import type { ServerSentEvent } from "./event.ts";
import type { Settings } from "./options.ts";
import type { Resume } from "./request.ts";
import { startTimer } from "./timer.ts";
import { connectionClosed, rejected } from "./writer.ts";
import type { CloseReason, Writer } from "./writer.ts";

/** What one request brought, as an adapter hands it over. */
export interface Exchange<Native> {
  /** The method of the request, in capitals. */
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  /** What the platform passed to the handler. */
  readonly native: Native;
}

/** One client's open response, as a source sees it. */
export interface Connection<Native = unknown> extends Exchange<Native>, Resume {
  /**
   * Sends an event; `data` that is no string is serialised. Resolves when there is room for another.
   *
   * Rejects with `invalid-field` or `too-large` where the event cannot go out (`onError` is told, too, should nobody
   * wait for it), and with `connection-closed` or `overflow` when the connection is over.
   */
  readonly send: (event: ServerSentEvent) => Promise<void>;
  /** Aborts when the connection is over, whoever ended it. Its reason is a `connection-closed` error. */
  readonly signal: AbortSignal;
  /** Resolves once, with the reason, when the connection is over; never rejects. */
  readonly closed: Promise<CloseReason>;
  /** The reason, once there is one. */
  readonly reason: CloseReason | undefined;
}

/** Names and ids that start so are Sluice's own. */
const RESERVED = "sluice.";

/** The id that says: the function has finished, there is nothing to come back for. */
export const END_ID = "sluice.end";

export class LiveConnection<Native> implements Connection<Native> {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  readonly native: Native;
  readonly resume: Resume["resume"];
  readonly lastEventId: string | undefined;
  readonly signal: AbortSignal;
  readonly closed: Promise<CloseReason>;

  readonly #writer: Writer;
  readonly #settings: Settings<Native>;
  readonly #over = new AbortController();
  #stopAging: (() => void) | undefined = undefined;
  #reported: unknown = undefined;

  constructor(exchange: Exchange<Native>, resume: Resume, writer: Writer, settings: Settings<Native>) {
    this.method = exchange.method;
    this.url = exchange.url;
    this.headers = exchange.headers;
    this.native = exchange.native;
    const isOurs = resume.lastEventId === END_ID;
    this.resume = isOurs ? "unknown" : resume.resume;
    this.lastEventId = isOurs ? undefined : resume.lastEventId;
    this.#writer = writer;
    this.#settings = settings;
    this.signal = this.#over.signal;
    this.closed = writer.closed.then((reason) => {
      this.#finish(reason);
      return reason;
    });
  }

  get reason(): CloseReason | undefined {
    return this.#writer.reason;
  }

  // A property, not a method: sources take it out of the connection, `async ({ send }) => …`.
  readonly send = (event: ServerSentEvent): Promise<void> => {
    try {
      return this.#writer.write(this.#encode(event));
    } catch (error) {
      this.report(error);
      return rejected(error);
    }
  };

  /** Sends the first bytes, so that the client knows it is connected. */
  greet(): Promise<void> {
    const { retry } = this.#settings;
    const comment = "";
    if (retry === false) return this.#writer.send({ comment });
    const [min, max] = retry;
    return this.#writer.send({ comment, retry: Math.round(min + Math.random() * (max - min)) });
  }

  /** Tells the client that there is nothing to come back for. */
  sayEnd(): void {
    void this.#writer.send({ event: END_ID, id: END_ID, data: "{}" });
  }

  /** Ends cleanly: what was sent still goes out, the source is stopped at once. */
  end(reason: CloseReason): void {
    this.#writer.end(reason);
    this.#finish(reason);
  }

  /** Ends the connection when it is old enough, or when `expiresAt` (ms since the epoch) has come. */
  startAging(expiresAt: number): void {
    const { maxAge } = this.#settings;
    const age = maxAge === false ? Infinity : maxAge * (1 - Math.random() / 10);
    const reason = expiresAt - Date.now() < age ? "expired" : "max-age";
    const endsAt = performance.now() + Math.min(age, expiresAt - Date.now());
    if (endsAt === Infinity) return;
    const wait = (): void => {
      const left = endsAt - performance.now();
      if (left <= 1) this.end(reason);
      else this.#stopAging = startTimer(left, wait);
    };
    wait();
  }

  /** Tells `onError`, once for each error, and lets nothing that it throws out. */
  report(error: unknown): void {
    if (error === this.#reported) return;
    this.#reported = error;
    try {
      this.#settings.onError(error, this);
    } catch (thrown) {
      console.error("Sluice: onError threw:", thrown);
    }
  }

  #finish(reason: CloseReason): void {
    if (this.signal.aborted) return;
    this.#stopAging?.();
    this.#over.abort(connectionClosed(reason));
  }

  #encode(event: ServerSentEvent): string {
    const fields = readFields(event);
    refuseReserved("event", fields.event);
    refuseReserved("id", fields.id);
    if (fields.data === undefined || typeof fields.data === "string") return encodeFields(fields);
    return encodeFields({ ...fields, data: this.#serialize(fields.data) });
  }

  #serialize(data: unknown): string {
    let text: unknown;
    try {
      text = this.#settings.serialize(data);
    } catch (cause) {
      throw new SluiceError("invalid-field", "Cannot encode event: serialize threw on its data; see the cause", {
        field: "data",
        cause,
      });
    }
    if (typeof text === "string") return text;
    throw new SluiceError(
      "invalid-field",
      `Cannot encode event: serialize made ${show(text)} of its data, ${show(data)}; it must return a string`,
      { field: "data" },
    );
  }
}

function refuseReserved(field: "event" | "id", value: unknown): void {
  if (typeof value !== "string" || !value.startsWith(RESERVED)) return;
  throw new SluiceError(
    "invalid-field",
    `Cannot encode event: ${field} ${show(value)} starts with "${RESERVED}", which is reserved; choose another name`,
    { field },
  );
}
