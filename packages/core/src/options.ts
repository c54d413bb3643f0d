import type { Connection } from "./connection.ts";
import { parseCompositeCursor } from "./composite-cursor.ts";
import { isCursor, isLast } from "./cursor.ts";
import type { Start } from "./cursor.ts";
import { aBoolean, aDuration, aFunction, aSize, checkOptions } from "./check-options.ts";
import type { Rule } from "./check-options.ts";
import type { Crowd } from "./crowd.ts";
import { SluiceError } from "./errors.ts";
import { Greetings } from "./greetings.ts";
import { crowdOf } from "./hub.ts";
import type { Hub } from "./hub.ts";
import { responseHeaders } from "./request.ts";
import type { ChannelEvent } from "./segment.ts";
import { defaultSerialize } from "./serialize.ts";
import { resolveWriterOptions, writerRules } from "./writer.ts";
import type { WriterOptions, WriterSettings } from "./writer.ts";

/** What `authorize` may answer. */
export interface Authorization {
  /** When the authorisation ends, as a `Date` or in ms since the epoch: the stream ends then, with `expired`. */
  readonly expiresAt?: Date | number | undefined;
}

/** What an error that `authorize` throws may say of the answer; a `status` alone is enough. */
export interface AuthorizationError {
  /** From 400 to 599. */
  readonly status: number;
  /** Such as `WWW-Authenticate`. Not those that say how the body is framed; `Content-Type` beside a `body`. */
  readonly headers?: HeadersSource | undefined;
  /** In place of the sentence that says why. Default type `text/plain; charset=utf-8`. */
  readonly body?: string | undefined;
}

/** Options of `eventStream`, in every package. `Native` is what the platform passed to the handler. */
export interface EventStreamOptions<Native = unknown> extends WriterOptions {
  /**
   * The reconnection time that the client is told, in ms: a number, a range of which each connection gets a random
   * point, or `false` to tell nothing. Default `[2000, 4000]`: clients that were cut off together come back apart.
   */
  readonly retry?: number | readonly [min: number, max: number] | false | undefined;
  /**
   * Ends each connection after so many ms, spread over the last tenth of it, so that the client comes back elsewhere;
   * `false` for never. Default `false`.
   */
  readonly maxAge?: number | false | undefined;
  /**
   * Where a client of a channel that has no last event ID begins: `"tail"` (only what is new), `"start"` (all that is
   * retained), a position, or `{ last }` with a number of events. Default `"tail"`.
   */
  readonly start?: Start | undefined;
  /**
   * How long a channel's first read may take before the client is told to come back later, in ms; `false` for any time.
   * Default 2,000.
   */
  readonly openTimeout?: number | false | undefined;
  /** The hub under whose limits, drain and statistics a function's connections are. A channel's are under its own hub's. */
  readonly hub?: Hub | undefined;
  /**
   * Whose connection it is, for the hub's `maxConnectionsPerKey`: an address, a user. Called once `authorize` has let it
   * in; undefined for one that is not counted. Default: none is.
   */
  readonly limitKey?: ((connection: Connection<Native>) => string | undefined) | undefined;
  /**
   * Whether this client may see an event of a channel; `true` or `false`, at once. What it hides moves the client's cursor
   * on as any other, so that a resume is exact. An event whose filter throws is not sent, and a gap says so.
   */
  readonly filter?: ((event: ChannelEvent, connection: Connection<Native>) => boolean) | undefined;
  /** What this client sees in the place of an event of a channel, under the same id; at once. Throwing is as in `filter`. */
  readonly map?: ((event: ChannelEvent, connection: Connection<Native>) => MappedEvent) | undefined;
  /** Of a channel's events with the same `key` that wait for this client, only the newest is sent. Default `false`. */
  readonly coalesce?: boolean | undefined;
  /**
   * What becomes of a client that has been live and is more than `maxLag` events behind its channel: `"catch-up"` sends
   * all that the store retains, `"skip"` a gap and the newest event, `"disconnect"` cuts it off, and it resumes without
   * loss. Default `"catch-up"`.
   */
  readonly whenBehind?: "catch-up" | "skip" | "disconnect" | undefined;
  /** How many events a client may be behind its channel, where `whenBehind` is not `"catch-up"`. Default 1,000. */
  readonly maxLag?: number | undefined;
  /** The longest last event ID that is passed on, in UTF-16 code units. Default 256. */
  readonly maxLastEventIdLength?: number | undefined;
  /**
   * Response headers, over the defaults; or a function that makes them for a connection. An object's are on refusals and
   * on answers to OPTIONS, too; a function's are not, as nobody has been admitted there.
   */
  readonly headers?: HeadersSource | ((connection: Connection<Native>) => HeadersSource) | undefined;
  /** Makes text of `data` that is not a string. Default `JSON.stringify`. */
  readonly serialize?: ((data: unknown) => string) | undefined;
  /**
   * Awaited before any header is sent. `false` answers 403; an error with a `status` from 400 to 599 answers that, with its
   * `headers` and `body` where it has some (see {@link AuthorizationError}); any other error answers 500 and goes to
   * `onError`. It may return when the authorisation expires.
   */
  readonly authorize?:
    | ((connection: Connection<Native>) => Authorization | boolean | void | Promise<Authorization | boolean | void>)
    | undefined;
  /**
   * Calls `authorize` again so often, in ms, spread over the last tenth of it: a connection that it refuses then ends with
   * `expired`, and a new `expiresAt` takes the place of the former. Where it fails with anything but a status from 400 to
   * 499, `onError` is told, and the connection goes on.
   * Default `false`.
   */
  readonly revalidate?: number | false | undefined;
  /**
   * Answers clients that do not name `text/event-stream` in their Accept header, with what the platform passed: so that
   * one route gives a page or JSON too. Without it, a POST gets the stream whatever it accepts, and any other client that
   * refuses event streams gets 406.
   */
  readonly otherwise?: ((native: Native) => unknown) | undefined;
  /**
   * What a client is told when a function has finished: `"end"` (the default) sends `sluice.end`, on GET, and answers
   * the reconnect with 204, which stops it; `"reconnect"` lets it come again.
   */
  readonly whenDone?: "end" | "reconnect" | undefined;
  /**
   * Told of every error that the client is not: the source threw, an event was refused, `authorize` failed. Default:
   * `console.error`.
   */
  readonly onError?: ((error: unknown, connection: Connection<Native>) => void) | undefined;
}

/** What `map` makes of a channel's event; `data` that is not a string is serialised. */
export interface MappedEvent {
  readonly event?: string | undefined;
  readonly data: unknown;
}

/** What the `Headers` constructor takes, without the name that only some runtimes' types give it. */
export type HeadersSource = Headers | readonly (readonly [string, string])[] | Readonly<Record<string, string>>;

/** Options with every default filled in, checked. */
export interface Settings<Native> extends WriterSettings {
  readonly greetings: Greetings;
  readonly maxAge: number | false;
  readonly start: Start;
  readonly openTimeout: number | false;
  maxLastEventIdLength: number;
  /** The connections of the hub that was given. */
  readonly crowd: Crowd | undefined;
  readonly limitKey: EventStreamOptions<Native>["limitKey"];
  readonly filter: EventStreamOptions<Native>["filter"];
  readonly map: EventStreamOptions<Native>["map"];
  readonly coalesce: boolean;
  readonly whenBehind: "catch-up" | "skip" | "disconnect";
  readonly maxLag: number;
  readonly revalidate: number | false;
  /** The option's own, where it is not a function; not to be changed. */
  readonly fixedHeaders: Headers | undefined;
  /** All headers of a stream, not to be changed. */
  readonly headers: (connection: Connection<Native>) => Headers;
  readonly serialize: (data: unknown) => string;
  readonly authorize: EventStreamOptions<Native>["authorize"];
  readonly otherwise: EventStreamOptions<Native>["otherwise"];
  readonly whenDone: "end" | "reconnect";
  readonly onError: (error: unknown, connection: Connection<Native>) => void;
}

const ACTION = "Cannot create event stream";

/**
 * Checks the options, when the handler is made and not when a client comes, and fills in the defaults.
 *
 * @throws {SluiceError} `invalid-option`, with the `option`
 */
export function resolveOptions<Native>(options: EventStreamOptions<Native>): Settings<Native> {
  checkOptions(ACTION, options, rules);
  const { retry = [2000, 4000], headers } = options;
  const fixedHeaders = typeof headers === "function" ? undefined : checkHeaders(ACTION, headers);
  const fixed = responseHeaders(fixedHeaders);
  return {
    ...resolveWriterOptions(options),
    greetings: new Greetings(typeof retry === "number" ? [retry, retry] : retry),
    maxAge: options.maxAge ?? false,
    start: options.start ?? "tail",
    openTimeout: options.openTimeout ?? 2000,
    maxLastEventIdLength: options.maxLastEventIdLength ?? 256,
    crowd: options.hub === undefined ? undefined : crowdOf(options.hub),
    limitKey: options.limitKey,
    filter: options.filter,
    map: options.map,
    coalesce: options.coalesce ?? false,
    whenBehind: options.whenBehind ?? "catch-up",
    maxLag: options.maxLag ?? 1000,
    revalidate: checkRevalidate(options),
    fixedHeaders,
    headers:
      typeof headers === "function"
        ? (connection) => responseHeaders(checkHeaders(ACTION, headers(connection)))
        : () => fixed,
    serialize: options.serialize ?? defaultSerialize,
    authorize: options.authorize,
    otherwise: options.otherwise,
    whenDone: options.whenDone ?? "end",
    onError: options.onError ?? printError,
  };
}

function printError(error: unknown, connection: Connection): void {
  console.error(`Sluice: a stream failed: ${routeOf(connection)}:`, error);
}

/** Method and path. What a client has put into the query may be a secret. */
function routeOf(connection: Connection): string {
  try {
    const { pathname } = connection.url;
    return `${connection.method} ${pathname.length > 200 ? `${pathname.slice(0, 200)}…` : pathname}`;
  } catch {
    return connection.method;
  }
}

const rules: Record<keyof EventStreamOptions, Rule> = {
  ...writerRules,
  retry: {
    allows: (value) => value === false || isTime(value) || isRange(value),
    wanted: "a non-negative integer of ms, a range [min, max] of them, or false",
  },
  maxAge: aDuration,
  start: {
    allows: (value) =>
      typeof value === "string" ? isCursor(value) || parseCompositeCursor(value) !== undefined : isLast(value),
    wanted: '"tail", "start", a position, or { last } with a positive integer',
  },
  openTimeout: aDuration,
  maxLastEventIdLength: aSize,
  hub: { allows: (value) => crowdOf(value) !== undefined, wanted: "a hub, such as createHub()" },
  limitKey: aFunction,
  filter: aFunction,
  map: aFunction,
  coalesce: aBoolean,
  whenBehind: {
    allows: (value) => value === "catch-up" || value === "skip" || value === "disconnect",
    wanted: '"catch-up", "skip" or "disconnect"',
  },
  maxLag: aSize,
  revalidate: aDuration,
  headers: {
    allows: (value) => typeof value === "function" || (typeof value === "object" && value !== null),
    wanted: "headers or a function that returns them",
  },
  serialize: aFunction,
  authorize: aFunction,
  otherwise: aFunction,
  whenDone: { allows: (value) => value === "end" || value === "reconnect", wanted: '"end" or "reconnect"' },
  onError: aFunction,
};

function checkRevalidate<Native>({ revalidate = false, authorize }: EventStreamOptions<Native>): number | false {
  if (revalidate === false || authorize !== undefined) return revalidate;
  throw new SluiceError(
    "invalid-option",
    "Cannot create event stream: revalidate calls authorize again, but there is none; pass authorize",
    { option: "revalidate" },
  );
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isRange(value: unknown): boolean {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [min, max]: unknown[] = value;
  return isTime(min) && isTime(max) && min <= max;
}

/** Headers that say what the body is and how it is framed, which is not the user's to say. */
const OURS = ["content-type", "content-length", "content-encoding", "transfer-encoding", "connection", "keep-alive"];

/**
 * @param action begins the message, as "Cannot create event stream"
 * @param allowed of those that are ours, one that may be there all the same
 * @throws {SluiceError} `invalid-option`
 */
export function checkHeaders(
  action: string,
  source: HeadersSource | undefined,
  allowed?: "content-type",
): Headers | undefined {
  if (source === undefined) return undefined;
  const refuse = (problem: string, cause?: unknown): SluiceError =>
    new SluiceError("invalid-option", `${action}: ${problem}`, { option: "headers", cause });
  if (source instanceof Promise) {
    source.catch(() => {});
    throw refuse("headers is a promise; await it in authorize");
  }
  let headers: Headers;
  try {
    headers = new Headers(source as ConstructorParameters<typeof Headers>[0]);
  } catch (cause) {
    throw refuse("headers has an invalid name or value; see the cause", cause);
  }
  for (const [name, value] of headers) {
    // The Headers class takes them, and platforms then refuse the response.
    // oxlint-disable-next-line no-control-regex
    if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value)) throw refuse(`header ${name} has a control character; remove it`);
  }
  const taken = OURS.find((name) => name !== allowed && headers.has(name));
  if (taken === undefined) return headers;
  throw refuse(`headers sets ${taken}, which Sluice and the platform decide; leave it out`);
}
