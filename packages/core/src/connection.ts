import { encodeFields } from "./encode.ts";
import { SluiceError } from "./errors.ts";
import { END_ID, readFields, refuseReserved, serializeData } from "./event.ts";
import type { ServerSentEvent } from "./event.ts";
import { callGuarded } from "./guard.ts";
import type { Settings } from "./options.ts";
import type { Resume } from "./request.ts";
import { startTimer } from "./timer.ts";
import { connectionClosed, overflow, rejected } from "./writer.ts";
import type { CloseReason, SinkWriter } from "./writer.ts";

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
   * Rejects with `invalid-field` or `too-large` where the event cannot go out (`onError` is told, too, should nobody wait
   * for it); with `invalid-state` before the connection is admitted; and with `connection-closed` or `overflow` when it is
   * over.
   */
  readonly send: (event: ServerSentEvent) => Promise<void>;
  /**
   * Aborts when the source has to stop: when the connection is over, or will be once what was sent has been taken. Its
   * reason is a `connection-closed` error.
   */
  readonly signal: AbortSignal;
  /** Resolves once, with the reason, when the connection is over; never rejects. */
  readonly closed: Promise<CloseReason>;
  /** The reason, once there is one. */
  readonly reason: CloseReason | undefined;
}

const NOTHING = Symbol("nothing");

function notAdmitted(): SluiceError {
  return new SluiceError(
    "invalid-state",
    "Cannot send event: the connection is not admitted yet; send from the source, not from authorize or headers",
  );
}

/** Told to `onError` alone: `send()` has rejected as ever, but nobody waits for it who made this mistake. */
function lateSend(): SluiceError {
  return new SluiceError(
    "connection-closed",
    "Cannot send event: the source has returned, so its stream has ended; return a promise that lasts as long as it sends",
    { reason: "finished" },
  );
}

/** What the client is told of its resume in the `Sluice-Resume` header. */
export type ResumeOutcome = "fresh" | "resumed" | "gap";

export class LiveConnection<Native> implements Connection<Native> {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  readonly native: Native;
  readonly resume: Resume["resume"];
  readonly lastEventId: string | undefined;
  /** The client has been told `sluice.end` before. */
  readonly hasSeenEnd: boolean;
  readonly signal: AbortSignal;
  readonly closed: Promise<CloseReason>;

  readonly #writer: SinkWriter;
  readonly #settings: Settings<Native>;
  readonly #over = new AbortController();
  #stopAging: (() => void) | undefined = undefined;
  /** The last error that was reported. */
  #reported: unknown = NOTHING;
  #isReporting = false;
  #isAdmitted = false;
  #sourceIsDone = false;
  #open: ((resumed?: ResumeOutcome) => void) | undefined = undefined;
  #greeted: Promise<void> = Promise.resolve();

  constructor(exchange: Exchange<Native>, resume: Resume, writer: SinkWriter, settings: Settings<Native>) {
    this.method = exchange.method;
    this.url = exchange.url;
    this.headers = exchange.headers;
    this.native = exchange.native;
    this.hasSeenEnd = resume.lastEventId === END_ID;
    this.resume = this.hasSeenEnd ? "unknown" : resume.resume;
    this.lastEventId = this.hasSeenEnd ? undefined : resume.lastEventId;
    this.#writer = writer;
    this.#settings = settings;
    this.signal = this.#over.signal;
    this.closed = writer.closed.then((reason) => {
      this.#finish(reason);
      // Nearly always a mistake in the source, which may not be waiting to hear of it.
      if (reason === "overflow") this.report(overflow(settings.maxPendingBytes));
      return reason;
    });
  }

  get reason(): CloseReason | undefined {
    return this.#writer.reason;
  }

  // A property, not a method: sources take it out of the connection, `async ({ send }) => …`.
  readonly send = (event: ServerSentEvent): Promise<void> => {
    if (!this.#isAdmitted && this.reason === undefined) return rejected(notAdmitted());
    try {
      if (this.#sourceIsDone) this.#reportLateSend();
      void this.greet();
      return this.#writer.write(this.#writer.encode(this.#encode(event)));
    } catch (error) {
      this.report(error);
      return rejected(error);
    }
  };

  /** What opens the response; it is called once, before the first bytes. */
  admit(open: (resumed?: ResumeOutcome) => void): void {
    this.#isAdmitted = true;
    this.#open = open;
  }

  /**
   * Opens the response and sends its first bytes, so that the client knows it is connected; once, however often it is
   * called. Resolves when there is room for an event.
   */
  greet(resumed?: ResumeOutcome): Promise<void> {
    const open = this.#open;
    if (open === undefined || this.reason !== undefined) return this.#greeted;
    this.#open = undefined;
    try {
      open(resumed);
    } catch (error) {
      this.report(error);
      this.#writer.abort("write-failed");
    }
    this.#greeted = this.#writer.send({ comment: "", ...this.#reconnectionTime() });
    return this.#greeted;
  }

  /** Sends segments of a channel, which are encoded already. */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    return this.#writer.write(bytes);
  }

  /** Tells the client that there is nothing to come back for. */
  sayEnd(): void {
    void this.#writer.send({ event: END_ID, id: END_ID, data: "{}" });
  }

  /** Ends cleanly: what was sent still goes out. A source that is not done is stopped at once. */
  end(reason: CloseReason): void {
    this.#sourceIsDone = reason === "finished";
    this.#writer.end(reason);
    if (reason === "max-age" || reason === "expired" || reason === "drained") this.#finish(reason);
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
    // What goes wrong within onError itself is not told to it again.
    if (error === this.#reported || this.#isReporting) return;
    this.#reported = error;
    this.#isReporting = true;
    callGuarded(() => this.#settings.onError(error, this));
    this.#isReporting = false;
  }

  /** Once for a connection: who forgot to wait has perhaps forgotten to stop, too. */
  #reportLateSend(): void {
    this.#sourceIsDone = false;
    this.report(lateSend());
  }

  #finish(reason: CloseReason): void {
    if (this.signal.aborted) return;
    this.#stopAging?.();
    this.#over.abort(connectionClosed(reason));
  }

  #reconnectionTime(): { retry?: number } {
    const { retry } = this.#settings;
    if (retry === false) return {};
    const [min, max] = retry;
    return { retry: Math.round(min + Math.random() * (max - min)) };
  }

  #encode(event: ServerSentEvent): string {
    const fields = readFields(event);
    refuseReserved("event", fields.event);
    refuseReserved("id", fields.id);
    if (fields.data === undefined) return encodeFields(fields);
    return encodeFields({ ...fields, data: serializeData(this.#settings.serialize, fields.data) });
  }
}
