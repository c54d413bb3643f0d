import { createHub, memoryStore } from "@sluice/core";
import type {
  Channel,
  Connection,
  EventSequence,
  EventStreamOptions,
  Hub,
  ServerSentEvent,
  Source,
} from "@sluice/core";
import { keyOf, Ledger } from "./ledger.ts";
import type { ConnectionRecord } from "./ledger.ts";

/** What {@link createFixtures} makes: handlers of the adapter under test, by path. */
export interface Fixtures<Handler> {
  /**
   * The handler for a request.
   *
   * @param url the request's URL, or its path with or without a query
   * @returns undefined for a path that is no fixture
   */
  readonly handlerFor: (url: string) => Handler | undefined;
  /** Every path, for routers that want to know them. */
  readonly paths: readonly string[];
}

/** What the fixture `/otherwise` answers to clients that do not name event streams. */
export const otherwiseBody = '{"otherwise":true}';

/** What the fixtures of each kind of source send. */
export const sampleEvents: readonly ServerSentEvent[] = [
  { event: "greeting", data: "hello", id: "1" },
  { data: { an: "object", of: [1, 2, 3] }, id: "zwei" },
  { data: "line one\nline two\n\nline four" },
  { event: "größe", data: "日本語 🎉 \u200d é", id: "ключ" },
  { data: "" },
  { comment: "a comment" },
  { data: " leading space: and a colon" },
];

/**
 * The keep-alive of the fixtures that wait, in ms: longer than a platform may take to notice that a client has gone, so
 * that it must notice by itself, and short enough for one that cannot to get over it.
 */
const keepAlive = 5000;

/** How long a client of the fixture `/deadline` may take nothing, in ms. */
export const writeDeadline = 500;

/** The same of `/patient`: on the loopback, a kernel says that there is room when megabytes have been read. */
export const patientWriteDeadline = 2500;

/** The text of the errors that fixtures throw: no client may ever see it. */
export const secret = "the secret of the server";

/** The data of each event of `/firehose` and `/deadline`, in bytes. */
export const firehoseBytes = 65_536;

/** The data of the one event of `/large`, in bytes. */
export const largeBytes = 900_000;

/** The data of the first event of `/largest`, in bytes: with `data: ` and two line feeds it is 1 MiB, the default limit. */
export const largestBytes: number = 1_048_576 - 8;

/** The data of the one event of `/large-lines`: 30,000 lines, 1.02 MB as they are sent, half of it in characters of several bytes. */
export const largeLines: string = Array.from({ length: 30_000 }, (_, line) => `${line % 10} größe 日本語 🎉 é`).join(
  "\n",
);

/** How many events `/throws-after-many` sends before it throws; together more than a platform takes at once. */
export const manyEvents = 300;

/** What the error says that the fixture `/challenged` throws. */
export const challenge = {
  headers: { "WWW-Authenticate": 'Bearer realm="fixtures"', "Content-Type": "application/problem+json; charset=utf-8" },
  body: '{"title":"größer als nichts"}',
} as const;

/** How many events the channels of the fixtures retain. */
export const retainedEvents = 500;

/** How long the hubs of the fixtures take to drain, in ms. */
export const drainTime = 400;

/** How many events `/numbered` sends, each with the number of its client. */
export const numberedEvents = 20;

/** What a framework is asked to set before the stream opens, by the fixtures that begin with `/framework`. */
export const frameworkHeaders: readonly (readonly [name: string, value: string])[] = [
  ["Access-Control-Allow-Origin", "https://example.com"],
  ["X-Request-Id", "42"],
  ["X-Both", "the framework"],
  ["Set-Cookie", "session=1"],
  // What no stream may keep of them.
  ["Content-Type", "text/html"],
  ["Content-Length", "5"],
  ["Cache-Control", "public, max-age=3600"],
];

/** What {@link createFixtures} needs of a platform, besides its handlers, for the behaviours that are about it. */
export interface FixturesOptions<Native> {
  /**
   * Reads the body of a request as text, or gives what a body parser has made of it. Default: `native.request.text()`,
   * where there is a `Request`.
   */
  readonly readBody?: ((native: Native) => unknown) | undefined;
  /**
   * Sets a header of the response as the framework's users and middleware do, adding to cookies that are there. Only
   * where there is such a thing before the stream opens; `adapterSuite` is told so by `framework: true`.
   */
  readonly setHeader?: ((native: Native, name: string, value: string) => void) | undefined;
}

/**
 * Mounts the fixtures of {@link adapterSuite} on an adapter: named routes, each a source with options, and the ledger of
 * what became of every connection. It needs nothing but Web APIs, so it runs in the server's own runtime.
 *
 * @param eventStream the adapter's own
 * @param answerJson answers with a JSON text by the platform's own means: for the option `otherwise`
 * @param options what else of the platform its behaviours are about
 *
 * @example
 * ```ts
 * import { eventStream } from "@sluice/core";
 * import { createFixtures } from "@sluice/testkit/fixtures";
 *
 * const { handlerFor } = createFixtures(eventStream, (_native, json) => new Response(json));
 * const handler = handlerFor("/array");
 * const response = await handler?.(new Request("http://localhost/array"));
 * console.assert((await response?.text())?.includes("event: greeting\n"));
 * ```
 */
export function createFixtures<Native, Handler>(
  eventStream: (source: Source<Native>, options: EventStreamOptions<Native>) => Handler,
  answerJson: (native: Native, json: string) => unknown,
  { readBody = textOfRequest, setHeader = () => {} }: FixturesOptions<Native> = {},
): Fixtures<Handler> {
  const ledger = new Ledger();
  const handlers = new Map<string, Handler>();
  const platform: Platform = {
    readBody: async (connection) => readBody(connection.native as Native),
    setHeaders: (connection) => {
      for (const [name, value] of frameworkHeaders) setHeader(connection.native as Native, name, value);
    },
  };
  for (const [path, fixture] of Object.entries(fixturesOver(ledger, platform))) {
    const { source, otherwise, authorize, ...options } = fixture;
    const recorded: EventStreamOptions<Native> = {
      ...options,
      onError: (error, connection) => ledger.recordOf(connection, path).errors.push(String(error)),
    };
    const admission: EventStreamOptions<Native> =
      authorize === undefined
        ? {}
        : { authorize: (connection) => authorize(connection, ledger.recordOf(connection, path)) };
    const fallback: EventStreamOptions<Native> =
      otherwise === true ? { otherwise: (native) => answerJson(native, otherwiseBody) } : {};
    const handler = eventStream(
      (connection) => {
        if (isControl(path)) return source(connection, unrecorded());
        const record = ledger.recordOf(connection, path);
        record.started = true;
        return source(connection, record);
      },
      { ...recorded, ...admission, ...fallback },
    );
    handlers.set(path, handler);
  }
  return {
    handlerFor: (url) => handlers.get(new URL(url, "http://localhost").pathname),
    paths: [...handlers.keys()],
  };
}

/** The two things that the fixtures cannot do by the Web's means. */
interface Platform {
  readBody(connection: Connection): Promise<unknown>;
  /** Sets {@link frameworkHeaders}. */
  setHeaders(connection: Connection): void;
}

async function textOfRequest(native: unknown): Promise<unknown> {
  const { request } = native as { readonly request?: { readonly text?: () => Promise<string> } };
  if (typeof request?.text === "function") return request.text();
  throw new Error("Cannot read body: there is no Request; give createFixtures the option readBody");
}

interface Fixture extends Omit<EventStreamOptions, "authorize" | "otherwise" | "onError"> {
  source: (
    connection: Connection,
    record: ConnectionRecord,
  ) => Channel | EventSequence | void | Promise<Channel | EventSequence | void>;
  authorize?: (
    connection: Connection,
    record: ConnectionRecord,
  ) => ReturnType<NonNullable<EventStreamOptions["authorize"]>>;
  otherwise?: true;
}

/** Those by which a test looks at the server and steers it are not themselves recorded. */
function isControl(path: string): boolean {
  return ["/ledger", "/collect", "/go", "/publish", "/seal", "/drain", "/drain-functions"].includes(path);
}

function unrecorded(): ConnectionRecord {
  return { path: "", key: "", started: false, pulls: 0, finallyRan: false, aborted: false, errors: [] };
}

function fixturesOver(ledger: Ledger, platform: Platform): Record<string, Fixture> {
  const hubOf = hubs();
  const channelOf = (connection: Connection): Channel => hubOf(connection).channel("fixture");
  const functionsHub = createHub();
  return {
    "/ledger": { source: (connection) => [{ data: ledger.report(keyOf(connection)) }] },
    "/collect": { source: async (connection) => [{ data: await ledger.collect(keyOf(connection)) }] },
    "/go": {
      source: (connection) => {
        ledger.go(keyOf(connection));
        return [];
      },
    },
    "/publish": {
      source: async (connection) => {
        const { searchParams } = connection.url;
        const first = Number(searchParams.get("first"));
        const events = Array.from({ length: Number(searchParams.get("count")) }, (_, n) => ({ data: `${first + n}` }));
        return [{ data: await channelOf(connection).publish(events) }];
      },
    },
    "/seal": {
      source: async (connection) => {
        await channelOf(connection).close();
        return [{ data: "sealed" }];
      },
    },
    "/drain": {
      source: async (connection) => {
        await hubOf(connection).drain({ within: drainTime });
        return [{ data: "drained" }];
      },
    },
    "/drain-functions": {
      source: async () => {
        await functionsHub.drain({ within: drainTime });
        return [{ data: "drained" }];
      },
    },

    // Kinds of sources.
    "/array": { source: (_, record) => tallied(record, sampleEvents) },
    "/generator": {
      source: function* (_, record) {
        try {
          yield* tallied(record, sampleEvents);
        } finally {
          record.finallyRan = true;
        }
      },
    },
    "/async-generator": { source: (_, record) => watched(record, sampleEvents) },
    "/readable-stream": { source: (_, record) => streamOf(record, sampleEvents) },
    "/send": {
      source: async (connection, record) => {
        for (const event of tallied(record, sampleEvents)) await connection.send(event);
        record.finallyRan = true;
      },
    },
    "/promise-of-array": { source: async (_, record) => tallied(record, sampleEvents) },
    "/promise-of-async-generator": { source: async (_, record) => watched(record, sampleEvents) },
    "/promise-of-readable-stream": { source: async (_, record) => streamOf(record, sampleEvents) },

    // Opening and refusing.
    "/otherwise": { source: (_, record) => tallied(record, sampleEvents), otherwise: true },
    "/resume": {
      source: ({ resume, lastEventId }) => [{ data: { resume, lastEventId: lastEventId ?? null } }],
    },
    "/forbidden": { source: (_, record) => watched(record, sampleEvents), authorize: async () => false },
    "/unauthorized": {
      source: (_, record) => watched(record, sampleEvents),
      authorize: () => {
        throw Object.assign(new Error(secret), { status: 401 });
      },
    },
    "/authorize-throws": {
      source: (_, record) => watched(record, sampleEvents),
      authorize: async () => {
        throw new Error(secret);
      },
    },
    "/challenged": {
      source: (_, record) => watched(record, sampleEvents),
      headers: { "Access-Control-Allow-Origin": "https://example.com" },
      authorize: () => {
        throw Object.assign(new Error(secret), { status: 401, ...challenge });
      },
    },
    "/challenged-badly": {
      source: (_, record) => watched(record, sampleEvents),
      authorize: () => {
        throw Object.assign(new Error(secret), { status: 401, headers: { "Transfer-Encoding": "chunked" } });
      },
    },
    "/authorize-throws-a-trap": {
      source: (_, record) => watched(record, sampleEvents),
      authorize: async () => {
        throw Object.defineProperty(new Error(secret), "status", {
          get: () => {
            throw new Error(secret);
          },
        });
      },
    },
    "/authorize-waits": {
      source: (_, record) => watched(record, sampleEvents),
      // Not for ever, where nothing tells that the client has gone.
      authorize: ({ signal }) => Promise.race([abortOf(signal), sleep(4000)]),
      keepAlive: 100,
    },
    "/authorize-expires": {
      source: (connection, record) => watched(record, untilOver(connection)),
      authorize: () => ({ expiresAt: Date.now() + 300 }),
    },

    // Headers.
    "/headers": {
      source: (_, record) => watched(record, []),
      headers: [
        ["X-Fixture", "headers"],
        ["Cache-Control", "no-store"],
        ["Set-Cookie", "theme=dark; Path=/"],
        ["Set-Cookie", "size=large; Expires=Wed, 01 Jan 2070 00:00:00 GMT"],
      ],
    },
    "/headers-of-connection": {
      source: (_, record) => watched(record, []),
      headers: (connection) => ({ "X-Key": keyOf(connection) }),
    },
    "/headers-throw": {
      source: (_, record) => watched(record, sampleEvents),
      headers: () => {
        throw new Error(secret);
      },
    },
    "/framework": {
      source: (_, record) => watched(record, sampleEvents),
      authorize: platform.setHeaders,
      headers: { "X-Both": "the stream", "X-Stream": "yes", "Set-Cookie": "theme=dark" },
    },
    "/framework-refuses": {
      source: (_, record) => watched(record, sampleEvents),
      authorize: (connection) => {
        platform.setHeaders(connection);
        return false;
      },
    },

    // Delivery.
    "/body": {
      source: async (connection, record) => {
        const after = Number(connection.url.searchParams.get("after"));
        if (after > 0) await sleep(after);
        return watched(record, [{ data: await platform.readBody(connection) }]);
      },
    },
    "/numbered": {
      source: (connection, record) =>
        watched(
          record,
          (async function* () {
            const client = connection.url.searchParams.get("client");
            for (let event = 1; event <= numberedEvents; event++) {
              yield { id: `${client}-${event}`, data: { client, event } };
              await sleep(5);
            }
          })(),
        ),
    },
    "/large-lines": { source: (_, record) => watched(record, [{ data: largeLines }]) },
    "/largest": {
      source: (_, record) =>
        watched(record, [{ data: "x".repeat(largestBytes) }, { data: "x".repeat(largestBytes + 1) }]),
    },
    "/silent": { source: ({ signal }) => abortOf(signal), keepAlive },
    "/stepped": {
      source: (connection, record) =>
        watched(
          record,
          (async function* () {
            for (let step = 1; ; step++) {
              yield { data: `step ${step}` };
              while (ledger.goes(keyOf(connection)) < step && !connection.signal.aborted) await sleep(5);
              if (connection.signal.aborted) return;
            }
          })(),
        ),
    },
    "/large": { source: (_, record) => watched(record, [{ data: "x".repeat(largeBytes) }]) },
    "/idle": { source: (connection, record) => watched(record, untilOver(connection)), keepAlive },
    "/idle-send": {
      source: async (connection, record) => {
        try {
          await connection.send({ data: "ready" });
          await abortOf(connection.signal);
        } finally {
          record.finallyRan = true;
        }
      },
      keepAlive,
    },
    "/idle-stream": {
      source: (_, record) =>
        new ReadableStream<ServerSentEvent>({
          start: (controller) => controller.enqueue({ data: "ready" }),
          cancel: () => {
            record.finallyRan = true;
          },
        }),
      keepAlive,
    },
    "/ticking": {
      source: (connection, record) =>
        watched(
          record,
          (async function* () {
            for (let tick = 1; !connection.signal.aborted; tick++) {
              yield { data: `tick ${tick}` };
              await sleep(20);
            }
          })(),
        ),
    },
    "/heedless": {
      source: (_, record) =>
        watched(
          record,
          (async function* () {
            for (let tick = 1; ; tick++) {
              yield { data: `tick ${tick}` };
              await sleep(20);
            }
          })(),
        ),
    },
    "/quiet": { source: (connection, record) => watched(record, untilOver(connection)) },
    "/keep-alive": { source: (connection, record) => watched(record, untilOver(connection)), keepAlive: 100 },

    // Endings.
    "/max-age": { source: (connection, record) => watched(record, untilOver(connection)), maxAge: 300 },
    "/finishes": { source: (_, record) => watched(record, [{ id: "7", data: "done" }]) },
    "/finishes-and-returns": {
      source: (_, record) => watched(record, [{ id: "7", data: "done" }]),
      whenDone: "reconnect",
    },
    "/throws-at-once": {
      source: () => {
        throw new Error(secret);
      },
    },
    "/throws-later": {
      source: (_, record) =>
        watched(
          record,
          (async function* () {
            yield { data: "before" };
            throw new Error(secret);
          })(),
        ),
    },
    "/throws-after-many": {
      source: (_, record) =>
        watched(
          record,
          (async function* () {
            for (let event = 0; event < manyEvents; event++) yield { data: "x".repeat(3000) };
            throw new Error(secret);
          })(),
        ),
    },
    "/invalid-event": {
      source: (_, record) =>
        watched(record, [{ data: "before" }, { event: "in\nvalid", data: secret }, { data: "after" }]),
    },

    // Channels: one for each key. A function under a hub: the same for all, and drained once.
    "/drainable": {
      source: (connection, record) => watched(record, untilOver(connection)),
      hub: functionsHub,
      keepAlive,
    },
    "/channel": { source: channelOf, keepAlive },
    "/channel-from-start": { source: async (connection) => channelOf(connection), start: "start", keepAlive },
    "/channel-aging": { source: channelOf, maxAge: 300 },

    // Flow.
    "/firehose": { source: (_, record) => watched(record, firehose()), writeDeadline: false },
    "/patient": { source: (_, record) => watched(record, firehose()), writeDeadline: patientWriteDeadline },
    "/deadline": { source: (_, record) => watched(record, firehose()), writeDeadline },
  };
}

/** A hub for each key, so that no behaviour waits for another's readers or drains them. */
function hubs(): (connection: Connection) => Hub {
  const all = new Map<string, Hub>();
  return (connection) => {
    const key = keyOf(connection);
    const hub = all.get(key) ?? createHub({ store: memoryStore({ retention: { maxEvents: retainedEvents } }) });
    all.set(key, hub);
    return hub;
  };
}

/** Counts what is taken. */
function tallied(record: ConnectionRecord, events: Iterable<ServerSentEvent>): Iterable<ServerSentEvent> {
  return Array.from(events, (event) => {
    record.pulls++;
    return event;
  });
}

/** An async generator that counts what it yields and notes that its `finally` ran. */
async function* watched(
  record: ConnectionRecord,
  events: Iterable<ServerSentEvent> | AsyncIterable<ServerSentEvent>,
): AsyncGenerator<ServerSentEvent> {
  try {
    for await (const event of events) {
      record.pulls++;
      yield event;
    }
  } finally {
    record.finallyRan = true;
  }
}

function streamOf(record: ConnectionRecord, events: readonly ServerSentEvent[]): ReadableStream<ServerSentEvent> {
  const left = [...events];
  return new ReadableStream<ServerSentEvent>(
    {
      pull: (controller) => {
        const next = left.shift();
        if (next === undefined) return controller.close();
        record.pulls++;
        controller.enqueue(next);
      },
      cancel: () => {
        record.finallyRan = true;
      },
    },
    { highWaterMark: 0 },
  );
}

/** One event, and then nothing for as long as the connection lasts. */
async function* untilOver(connection: Connection): AsyncGenerator<ServerSentEvent> {
  yield { data: "ready" };
  await abortOf(connection.signal);
}

function* firehose(): Generator<ServerSentEvent> {
  const data = "x".repeat(firehoseBytes);
  for (;;) yield { data };
}

function abortOf(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
