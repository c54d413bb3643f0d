import { SluiceError, show } from "./errors.ts";
import { LiveConnection } from "./connection.ts";
import type { Exchange, Opener, Revalidator } from "./connection.ts";
import { expectUse } from "./forgotten.ts";
import { checkHeaders, resolveOptions } from "./options.ts";
import type { Authorization, AuthorizationError, EventStreamOptions, Settings } from "./options.ts";
import type { Refusal } from "./observe.ts";
import { acceptance, setAll, withOutcome } from "./request.ts";
import type { ResumeOutcome } from "./request.ts";
import { Readable } from "./channel.ts";
import type { Crowd } from "./crowd.ts";
import { checkSource, startSource } from "./source.ts";
import type { Source, SourceEnd, SourceHost } from "./source.ts";
import { SinkWriter } from "./writer.ts";
import type { Sink, Writer } from "./writer.ts";

/** Answers requests with a stream: what every adapter's `eventStream` is made of. */
export interface Responder<Native> {
  /** Whether this client is for `otherwise`, which the adapter then calls in place of `respond`. */
  passesOn(request: Pick<Exchange<Native>, "method" | "headers">): boolean;
  /** Calls the option of that name, and answers what it has answered. */
  otherwise(native: Native): unknown;
  /**
   * Answers one request through the sink: with a stream, or with a status alone.
   *
   * @returns the connection's writer: the adapter tells it what the platform notices, with `drained()` and `gone()`
   */
  respond(exchange: Exchange<Native>, sink: Sink): RespondingWriter;
  /** Tells `onError` of a request that cannot be answered; nothing is run for it. */
  reject(exchange: Exchange<Native>, error: unknown): void;
}

/** The writer of a connection that has a source. */
export interface RespondingWriter extends Writer {
  /**
   * Resolves when the connection is over and its source has stopped, `finally` and all; never rejects. A source that
   * does not heed its signal keeps it waiting.
   */
  readonly done: Promise<void>;
  /** Tells `onError` what went wrong with the connection, once for each error. */
  report(error: unknown): void;
}

/**
 * Checks source and options once, and makes what answers requests. For adapters; users call `eventStream`.
 *
 * @throws {SluiceError} `invalid-source` or `invalid-option`
 *
 * @example
 * ```ts
 * import { createResponder } from "@sluice/core";
 *
 * const responder = createResponder(() => [{ data: "hello" }]);
 * const written: string[] = [];
 * const writer = responder.respond(
 *   { method: "POST", url: new URL("http://localhost/"), headers: new Headers(), native: undefined },
 *   {
 *     buffered: 0,
 *     open: (status) => written.push(`${status}\n`),
 *     write: (bytes) => written.push(new TextDecoder().decode(bytes)) > 0,
 *     end: () => {},
 *     abort: () => {},
 *   },
 * );
 * console.assert((await writer.closed) === "finished");
 * console.assert(written.join("").startsWith("200\n") && written.join("").endsWith("data: hello\n\n"));
 * ```
 */
export function createResponder<Native>(
  source: Source<Native>,
  options: EventStreamOptions<Native> = {},
): Responder<Native> {
  checkSource(source);
  const settings = resolveOptions(options);
  // The cursor of several channels is long, and it is ours.
  const maxCursorLength = source instanceof Readable ? source.maxCursorLength : 0;
  settings.maxLastEventIdLength = Math.max(settings.maxLastEventIdLength, maxCursorLength);
  const responder: Responder<Native> = {
    passesOn({ method, headers }) {
      used();
      // A preflight is about both answers, and names neither.
      return settings.otherwise !== undefined && method !== "OPTIONS" && acceptance(headers.get("Accept")) !== "named";
    },
    otherwise: (native) => settings.otherwise?.(native),
    respond(exchange, sink) {
      used();
      const writer = new SinkWriter(sink, settings);
      const answer = new Answer(source, settings, exchange, sink, writer);
      writer.finishing = answer;
      answer.start();
      return writer;
    },
    reject(exchange, error) {
      const connection = new LiveConnection(exchange, new SinkWriter(NOBODY, settings), settings);
      connection.report(error);
      connection.abort("failed");
    },
  };
  const used = expectUse(responder);
  return responder;
}

/** Where nothing can be sent. */
const NOBODY: Sink = { buffered: 0, open() {}, write: () => false, end() {}, abort() {} };

const METHODS = ["GET", "HEAD", "OPTIONS", "POST"];
const ALLOW = { Allow: METHODS.join(", ") };

/** What is said beside a status: fixed, so that nothing of the request or the server is in it. */
const SENTENCES: Readonly<Record<number, string>> = {
  401: "credentials are missing, wrong or expired; authenticate and ask again",
  403: "this client may not read it",
  405: `the method is not supported; use one of ${ALLOW.Allow}`,
  406: "the Accept header excludes text/event-stream; accept it, or leave the header out",
  429: "there are too many connections or requests; ask again later",
  503: "the server takes no more connections for now; ask again later",
};

function sentenceFor(status: number): string | undefined {
  if (status === 204) return undefined;
  const why =
    SENTENCES[status] ?? (status < 500 ? "the request was refused" : "the server has failed, and has logged why");
  return `Cannot open event stream: ${why}\n`;
}

/** Where a request is, from what it asks to the source's end. It is kept as long as the connection: it holds little. */
class Answer<Native> implements Opener, Revalidator, SourceHost {
  readonly #source: Source<Native>;
  readonly #settings: Settings<Native>;
  readonly #sink: Sink;
  readonly #writer: SinkWriter;
  readonly #connection: LiveConnection<Native>;
  /** Of the response, once it is known that there will be a stream. */
  #headers: Headers | undefined = undefined;
  #expiresAt = Infinity;
  /** Resolves when nothing of the source is under way; a channel's flow is nobody's work. */
  #working: Promise<void> | undefined = undefined;
  /** Resolves when a source that had to be stopped has been. */
  #stopped: Promise<void> | undefined = undefined;

  constructor(
    source: Source<Native>,
    settings: Settings<Native>,
    exchange: Exchange<Native>,
    sink: Sink,
    writer: SinkWriter,
  ) {
    this.#source = source;
    this.#settings = settings;
    this.#sink = sink;
    this.#writer = writer;
    this.#connection = new LiveConnection(exchange, writer, settings);
  }

  /** Nothing is thrown: what goes wrong ends the connection and is told to `onError`. */
  start(): void {
    try {
      // Not awaited where there is nothing to wait for: headers then leave within the platform's own callback.
      const admission = this.#admit();
      if (typeof admission !== "boolean") this.#working = this.#startOnce(admission);
      else if (admission) this.#working = this.#startSource();
    } catch (error) {
      this.failed(error);
    }
  }

  report(error: unknown): void {
    this.#connection.report(error);
  }

  /** See `RespondingWriter`. */
  async done(): Promise<void> {
    await this.#working;
    await this.#writer.closed;
    await this.#stopped;
  }

  async #startOnce(admission: Promise<boolean>): Promise<void> {
    try {
      if (await admission) await this.#startSource();
    } catch (error) {
      this.failed(error);
    }
  }

  #startSource(): Promise<void> | undefined {
    return startSource(this.#source, this.#connection, this.#settings, this);
  }

  ended(end: SourceEnd): void {
    const connection = this.#connection;
    if (end === "told") this.#refuse(204);
    if (end === "drained") connection.sayGoodbye("drained");
    if (end === "finished" && this.#endsForGood) connection.sayEnd();
    if (end === "finished" || end === "sealed") connection.end("finished");
  }

  failed(error: unknown): void {
    const connection = this.#connection;
    reportUnlessOver(error, connection);
    void connection.greet();
    connection.end("failed");
  }

  /** Makes the connection one of a hub's, or turns it away. */
  enter(crowd: Crowd): boolean {
    const connection = this.#connection;
    const refusal = connection.enter(crowd, limitKeyOf(this.#settings, connection));
    if (refusal !== undefined) this.#turnAway(refusal);
    return refusal === undefined;
  }

  noPlace(): undefined {
    const connection = this.#connection;
    connection.crowd?.refused(connection, "maxLiveChannels");
    this.#turnAway("maxLiveChannels");
  }

  #turnAway(refusal: Refusal): void {
    const connection = this.#connection;
    if (refusal === "maxConnectionsPerKey" && !connection.isOpen) this.#refuse(429, { "Retry-After": "30" });
    else if (connection.method === "POST" && !connection.isOpen) {
      this.#refuse(503, { "Retry-After": `${2 + Math.floor(Math.random() * 4)}` });
    }
    // On GET 200, and a time to come back: for a 5xx a native EventSource would never return.
    else connection.sayGoodbye(refusal === "draining" ? "drained" : "refused");
  }

  open(resumed: ResumeOutcome | undefined): void {
    const headers = this.#headers as Headers;
    this.#sink.open(200, resumed === undefined ? headers : withOutcome(headers, resumed));
    this.#connection.startAging(this.#expiresAt, this);
  }

  /** When the authorisation ends as `authorize` sees it now; undefined where it cannot tell. */
  async revalidate(): Promise<number | undefined> {
    const verdict = await authorized(this.#settings, this.#connection);
    if ("expiresAt" in verdict) return verdict.expiresAt;
    return verdict.status < 500 ? 0 : undefined;
  }

  stopSource(stop: () => unknown): void {
    this.#stopped = settled(stop, this.#connection);
  }

  /** @returns whether there is a stream to be */
  #admit(): boolean | Promise<boolean> {
    const connection = this.#connection;
    const { method } = connection;
    if (method === "OPTIONS") return this.#refuse(204, ALLOW);
    if (!METHODS.includes(method)) return this.#refuse(405, ALLOW);
    if (!connection.accepts) return this.#refuse(406);
    if (this.#endsForGood && connection.hasSeenEnd) return this.#refuse(204);
    if (this.#settings.authorize === undefined) return this.#prepare(ADMITTED);
    return authorized(this.#settings, connection).then((verdict) => this.#prepare(verdict));
  }

  #prepare(verdict: Verdict): boolean {
    const connection = this.#connection;
    if (connection.reason !== undefined) return false;
    if ("status" in verdict) return this.#refuse(verdict.status, verdict.headers, verdict.body);
    this.#headers = headersFor(this.#settings, connection);
    if (this.#headers === undefined) return this.#refuse(500);
    if (connection.method === "HEAD") {
      this.#sink.open(200, this.#headers);
      connection.end("finished");
      return false;
    }
    this.#expiresAt = verdict.expiresAt;
    connection.admit(this);
    const { crowd } = this.#settings;
    return crowd === undefined || this.enter(crowd);
  }

  get #endsForGood(): boolean {
    return this.#connection.method === "GET" && this.#settings.whenDone === "end";
  }

  #refuse(status: number, more?: Headers | Readonly<Record<string, string>>, body = sentenceFor(status)): false {
    const headers = new Headers(this.#settings.fixedHeaders);
    if (body !== undefined) headers.set("Content-Type", "text/plain; charset=utf-8");
    setAll(headers, new Headers(more));
    headers.set("Cache-Control", "no-store");
    this.#sink.open(status, headers, this.#connection.method === "HEAD" ? undefined : body);
    this.#connection.end("refused");
    return false;
  }
}

/** @throws {SluiceError} `invalid-option` */
function limitKeyOf<Native>({ limitKey }: Settings<Native>, connection: LiveConnection<Native>): string | undefined {
  const key: unknown = limitKey?.(connection);
  if (key === undefined || typeof key === "string") return key;
  // Each would be a key of its own.
  if (key instanceof Promise) key.catch(() => {});
  throw new SluiceError(
    "invalid-option",
    `Cannot count connection: limitKey returned ${show(key)}; return a string or undefined, at once`,
    { option: "limitKey" },
  );
}

async function settled<Native>(stop: () => unknown, connection: LiveConnection<Native>): Promise<void> {
  try {
    await stop();
  } catch (error) {
    reportUnlessOver(error, connection);
  }
}

function headersFor<Native>(settings: Settings<Native>, connection: LiveConnection<Native>): Headers | undefined {
  try {
    return settings.headers(connection);
  } catch (error) {
    connection.report(error);
    return undefined;
  }
}

type Verdict = Refused | { readonly expiresAt: number /* ms since the epoch */ };

interface Refused {
  readonly status: number;
  readonly headers?: Headers | undefined;
  readonly body?: string | undefined;
}

const ADMITTED: Verdict = { expiresAt: Infinity };

/** What `authorize` says, and no for anything that it cannot mean. Never rejects. */
async function authorized<Native>(settings: Settings<Native>, connection: LiveConnection<Native>): Promise<Verdict> {
  try {
    const answered = await settings.authorize?.(connection);
    if (answered === false) return { status: 403 };
    if (answered === undefined || answered === true) return ADMITTED;
    const expiresAt = expiryOf(answered);
    return expiresAt <= Date.now() ? { status: 401 } : { expiresAt };
  } catch (error) {
    return refusalOf(error, connection);
  }
}

/** What the error says of the answer. It may be anything: what it throws when it is read is told to `onError` alone. */
function refusalOf<Native>(error: unknown, connection: LiveConnection<Native>): Refused {
  try {
    const status = statusOf(error);
    if (status === undefined || status >= 500) connection.report(error);
    return status === undefined ? { status: 500 } : { status, ...answerOf(error as AuthorizationError, connection) };
  } catch (thrown) {
    connection.report(thrown);
    return { status: 500 };
  }
}

function answerOf<Native>(error: AuthorizationError, connection: LiveConnection<Native>): Omit<Refused, "status"> {
  // The `body` of other errors is something else at times: what was received, say.
  const { body: said, headers } = error;
  const body = typeof said === "string" ? said : undefined;
  try {
    const allowed = body === undefined ? undefined : "content-type";
    return { body, headers: checkHeaders("Cannot refuse connection", headers ?? undefined, allowed) };
  } catch (thrown) {
    connection.report(thrown);
    return { body };
  }
}

function expiryOf(answered: Authorization): number {
  if (typeof answered === "object" && answered !== null) {
    const { expiresAt = Infinity } = answered;
    const time = expiresAt instanceof Date ? expiresAt.getTime() : expiresAt;
    if (typeof time === "number" && !Number.isNaN(time)) return time;
  }
  throw new SluiceError(
    "invalid-option",
    `Cannot authorize: authorize returned ${show(answered)}; return nothing, a boolean, or { expiresAt } with a Date or ms`,
    { option: "authorize" },
  );
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("status" in error)) return undefined;
  const { status } = error;
  return typeof status === "number" && Number.isInteger(status) && status >= 400 && status <= 599 ? status : undefined;
}

/** A source that fails since its connection is over has not failed: that is how it is stopped. */
function reportUnlessOver<Native>(error: unknown, connection: LiveConnection<Native>): void {
  if (!connection.signal.aborted || !isConsequence(error, connection.signal)) connection.report(error);
}

function isConsequence(error: unknown, signal: AbortSignal): boolean {
  try {
    if (error === signal.reason) return true;
    if (error instanceof SluiceError) return error.code === "connection-closed" || error.code === "overflow";
    return error instanceof Error && error.name === "AbortError";
  } catch {
    return false; // a getter, or a Proxy
  }
}
