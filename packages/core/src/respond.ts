import { SluiceError, show } from "./errors.ts";
import { LiveConnection } from "./connection.ts";
import type { Exchange } from "./connection.ts";
import { resolveOptions } from "./options.ts";
import type { Authorization, EventStreamOptions, Settings } from "./options.ts";
import { acceptance, readLastEventId, responseHeaders } from "./request.ts";
import type { Crowd } from "./crowd.ts";
import { checkSource, runSource } from "./source.ts";
import type { Source } from "./source.ts";
import { SinkWriter } from "./writer.ts";
import type { Sink, Writer } from "./writer.ts";

/** Answers requests with a stream: what every adapter's `eventStream` is made of. */
export interface Responder<Native> {
  /** Whether this client is for `otherwise`, which the adapter then calls in place of `respond`. */
  passesOn(headers: Headers): boolean;
  /** Calls the option of that name, and answers what it has answered. */
  otherwise(native: Native): unknown;
  /**
   * Answers one request through the sink: with a stream, or with a status alone.
   *
   * @returns the connection's writer: the adapter tells it what the platform notices, with `drained()` and `gone()`
   */
  respond(exchange: Exchange<Native>, sink: Sink): RespondingWriter;
}

/** The writer of a connection that has a source. */
export interface RespondingWriter extends Writer {
  /**
   * Resolves when the connection is over and its source has stopped, `finally` and all; never rejects. A source that
   * does not heed its signal keeps it waiting.
   */
  readonly done: Promise<void>;
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
  return {
    passesOn: (headers) => settings.otherwise !== undefined && acceptance(headers.get("Accept")) !== "named",
    otherwise: (native) => settings.otherwise?.(native),
    respond(exchange, sink) {
      const writer = new SinkWriter(sink, settings);
      return Object.assign(writer, { done: answer(source, settings, exchange, sink, writer) });
    },
  };
}

const METHODS = ["GET", "HEAD", "POST"];

/** Resolves as `done` does. Never rejects: what goes wrong ends the connection and is told to `onError`. */
async function answer<Native>(
  source: Source<Native>,
  settings: Settings<Native>,
  exchange: Exchange<Native>,
  sink: Sink,
  writer: SinkWriter,
): Promise<void> {
  const resume = readLastEventId(exchange.headers, exchange.url, settings.maxLastEventIdLength);
  const endsForGood = exchange.method === "GET" && settings.whenDone === "end";
  const connection = new LiveConnection(exchange, resume, writer, settings);
  const refuse = (status: number, headers?: Record<string, string>): void => {
    sink.open(status, new Headers({ "Cache-Control": "no-store", ...headers }));
    connection.end("refused");
  };
  let stopped: Promise<void> | undefined;
  const onStop = (stop: () => unknown): void => {
    stopped = stopSource(stop, connection);
  };
  try {
    if (!METHODS.includes(exchange.method)) return refuse(405, { Allow: METHODS.join(", ") });
    if (acceptance(exchange.headers.get("Accept")) === "none") return refuse(406);
    if (endsForGood && connection.hasSeenEnd) return refuse(204);
    // Not awaited where there is nothing to wait for: headers then leave within the platform's own callback.
    const verdict = settings.authorize === undefined ? ADMITTED : await admit(settings, connection);
    if (connection.reason !== undefined) return;
    if ("status" in verdict) return refuse(verdict.status);
    const headers = headersFor(settings, connection);
    if (headers === undefined) return refuse(500);
    if (exchange.method === "HEAD") {
      sink.open(200, headers);
      return connection.end("finished");
    }
    connection.admit((resumed) => {
      if (resumed !== undefined) headers.set("Sluice-Resume", resumed);
      sink.open(200, headers);
      connection.startAging(verdict.expiresAt, () => revalidate(settings, connection));
    });
    const enter = (crowd: Crowd): boolean => {
      const refusal = connection.enter(crowd, limitKeyOf(settings, connection));
      if (refusal === "maxConnectionsPerKey" && !connection.isOpen) refuse(429, { "Retry-After": "30" });
      // For the others 200, and a time to come back: for a 5xx a native EventSource would never return.
      else if (refusal !== undefined) connection.sayGoodbye(refusal === "draining" ? "drained" : "refused");
      return refusal === undefined;
    };
    if (settings.crowd !== undefined && !enter(settings.crowd)) return;
    const ended = await runSource(source, connection, settings, enter, onStop);
    if (ended === "told") return refuse(204);
    if (ended === "finished" && endsForGood) connection.sayEnd();
    if (ended === "drained") connection.sayGoodbye("drained");
    else connection.end("finished");
  } catch (error) {
    reportUnlessOver(error, connection);
    void connection.greet();
    connection.end("failed");
  } finally {
    await stopped;
    await writer.closed;
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

async function stopSource<Native>(stop: () => unknown, connection: LiveConnection<Native>): Promise<void> {
  try {
    await stop();
  } catch (error) {
    reportUnlessOver(error, connection);
  }
}

function headersFor<Native>(settings: Settings<Native>, connection: LiveConnection<Native>): Headers | undefined {
  try {
    return responseHeaders(settings.headers(connection));
  } catch (error) {
    connection.report(error);
    return undefined;
  }
}

type Verdict = { readonly status: number } | { readonly expiresAt: number /* ms since the epoch */ };

const ADMITTED: Verdict = { expiresAt: Infinity };

/** What `authorize` says, and no for anything that it cannot mean. */
async function admit<Native>(settings: Settings<Native>, connection: LiveConnection<Native>): Promise<Verdict> {
  try {
    const answered = await settings.authorize?.(connection);
    if (answered === false) return { status: 403 };
    if (answered === undefined || answered === true) return ADMITTED;
    const expiresAt = expiryOf(answered);
    return expiresAt <= Date.now() ? { status: 401 } : { expiresAt };
  } catch (error) {
    const status = statusOf(error);
    if (status === undefined || status >= 500) connection.report(error);
    return { status: status ?? 500 };
  }
}

/** When the authorisation ends as `authorize` sees it now; undefined where it cannot tell. */
async function revalidate<Native>(
  settings: Settings<Native>,
  connection: LiveConnection<Native>,
): Promise<number | undefined> {
  const verdict = await admit(settings, connection);
  if ("expiresAt" in verdict) return verdict.expiresAt;
  return verdict.status < 500 ? 0 : undefined;
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
  const { signal } = connection;
  const isConsequence =
    signal.aborted &&
    (error === signal.reason ||
      (error instanceof SluiceError && (error.code === "connection-closed" || error.code === "overflow")) ||
      (error instanceof Error && error.name === "AbortError"));
  if (!isConsequence) connection.report(error);
}
