import { Readable } from "./channel.ts";
import type { Channel, ChannelGroup } from "./channel.ts";
import type { Connection, LiveConnection } from "./connection.ts";
import type { Crowd } from "./crowd.ts";
import { SluiceError, show } from "./errors.ts";
import { refuseReserved, serializeData } from "./event.ts";
import type { ServerSentEvent } from "./event.ts";
import { Flow } from "./flow.ts";
import type { FlowEnd } from "./flow.ts";
import { Lens } from "./lens.ts";
import type { SeenEvent } from "./lens.ts";
import type { Settings } from "./options.ts";
import type { ChannelEvent } from "./segment.ts";

/** Events that are pulled one by one, as there is room. */
export type EventSequence =
  | AsyncIterable<ServerSentEvent>
  | Iterable<ServerSentEvent>
  | ReadableStream<ServerSentEvent>;

/**
 * What a stream comes from: a channel, several together, or a function that is called once for each connection. It returns
 * a channel or several; or the events, as a generator, an iterable or a `ReadableStream`; or nothing, when it has used
 * `connection.send()` and is done.
 */
export type Source<Native = unknown> = Channel | ChannelGroup | SourceFunction<Native>;

/** See {@link Source}. */
export type SourceFunction<Native = unknown> = (
  connection: Connection<Native>,
) => Channel | ChannelGroup | EventSequence | void | Promise<Channel | ChannelGroup | EventSequence | void>;

/** @throws {SluiceError} `invalid-source` for anything but a function or a channel */
export function checkSource(source: unknown): void {
  if (typeof source === "function" || source instanceof Readable) return;
  const isSequence = typeof source === "object" && source !== null && ("next" in source || "getReader" in source);
  const why = isSequence
    ? `${"next" in source ? "an iterator" : "a ReadableStream"} could serve one client only; pass a function that returns a new one`
    : `it is ${show(source)}; pass a channel, or a function that is called once for each connection`;
  throw new SluiceError("invalid-source", `Cannot create event stream: the source is no function: ${why}`);
}

/** Who runs a source: told once how it ended, or failed. */
export interface SourceHost {
  /** Makes the connection one of a hub's, or turns it away and returns false. */
  enter(crowd: Crowd): boolean;
  /** Stops a source that has not come to its end. */
  stopSource(stop: () => unknown): void;
  ended(end: SourceEnd): void;
  failed(error: unknown): void;
}

/** As a flow; or `finished`: it had no more. `told`: its channel is closed, and has told this client so before. */
export type SourceEnd = FlowEnd | "finished" | "told";

/**
 * Starts the source of one connection.
 *
 * @returns resolves when a function's work is done; never rejects. A channel's flow goes on without a promise
 */
export function startSource<Native>(
  source: Source<Native>,
  connection: LiveConnection<Native>,
  settings: Settings<Native>,
  host: SourceHost,
): Promise<void> | undefined {
  try {
    const produced = typeof source === "function" ? source(connection) : source;
    // A channel's headers tell how the resume went; all other sources' leave at once.
    if (produced instanceof Readable) return startChannel(produced, connection, settings, host);
    return runProduced(produced, connection, settings, host);
  } catch (error) {
    host.failed(error);
    return undefined;
  }
}

async function runProduced<Native>(
  produced: ReturnType<SourceFunction>,
  connection: LiveConnection<Native>,
  settings: Settings<Native>,
  host: SourceHost,
): Promise<void> {
  try {
    // A client that has seen the end waits: 204 may be all that there is to say.
    if (!connection.hasSeenEnd) void connection.greet();
    const awaited = await produced;
    if (awaited instanceof Readable) return startChannel(awaited, connection, settings, host);
    void connection.greet();
    if (awaited !== undefined) await runSequence(awaited, connection, host);
    host.ended("finished");
  } catch (error) {
    host.failed(error);
  }
}

/** A channel, or several: what is read flows to the connection. */
function startChannel<Native>(
  channel: Readable,
  connection: LiveConnection<Native>,
  settings: Settings<Native>,
  host: SourceHost,
): undefined {
  if (connection.hasSeenEnd) return void host.ended("told");
  if (connection.crowd !== undefined && connection.crowd !== channel.crowd) throw ofAnotherHub();
  if (!host.enter(channel.crowd)) return void host.ended("over");
  const { start, whenBehind, maxLag, maxLastEventIdLength } = settings;
  const { resume, lastEventId } = connection.resumeUpTo(Math.max(maxLastEventIdLength, channel.maxCursorLength));
  const cursor = resume === "fresh" ? undefined : (lastEventId ?? "");
  const lens = lensFor(connection, settings);
  const isPlain = lens === undefined && whenBehind === "catch-up";
  const view = isPlain
    ? PLAIN_VIEW
    : { lens, ...(whenBehind !== "catch-up" && { maxLag }), skips: whenBehind === "skip" };
  connection.attach(new Flow(channel.open(start, cursor, view), connection, settings, host, channel.crowd));
}

const PLAIN_VIEW = {};

function lensFor<Native>(connection: LiveConnection<Native>, settings: Settings<Native>): Lens | undefined {
  const { filter, map, coalesce } = settings;
  if (filter === undefined && map === undefined && !coalesce) return undefined;
  return new Lens({
    filter: filter && ((event) => filter(event, connection)),
    // A copy: what is changed in place counts, and for nobody else.
    map: map && ((event) => seenEvent(event, map({ ...event }, connection), settings)),
    coalesce,
    onError: (error) => connection.report(error),
  });
}

function ofAnotherHub(): SluiceError {
  return new SluiceError(
    "invalid-source",
    "Cannot stream channel: it is of another hub than the option hub; leave the option out, or pass the channel's own hub",
  );
}

/** What `map` has returned, checked as what is published is. */
function seenEvent<Native>(event: ChannelEvent, mapped: unknown, settings: Settings<Native>): SeenEvent {
  if (mapped instanceof Promise) mapped.catch(() => {});
  if (typeof mapped !== "object" || mapped === null || !("data" in mapped) || mapped.data === undefined) {
    throw new SluiceError(
      "invalid-field",
      `Cannot map event: map returned ${show(mapped)}; return the event, or { event, data } in its place, at once`,
      { field: "data" },
    );
  }
  const type = "event" in mapped ? mapped.event : undefined;
  if (type === event.event && mapped.data === event.data) return event;
  refuseReserved("event", type);
  const data = serializeData(settings.serialize, mapped.data);
  // At most three bytes for a code unit: most need not be measured.
  if (data.length * 3 > settings.maxEventBytes && new TextEncoder().encode(data).length > settings.maxEventBytes) {
    throw new SluiceError(
      "too-large",
      `Cannot map event: it is over maxEventBytes (${settings.maxEventBytes}); make less of it`,
      { option: "maxEventBytes" },
    );
  }
  // Whether the type is one, the encoder says.
  return { event: type as string | undefined, data };
}

/**
 * A sequence: pulled as there is room. It is stopped as soon as the connection is over, also while it works, and also
 * when an event is refused: a generator's `finally` runs.
 */
async function runSequence(
  sequence: unknown,
  connection: Connection & Pick<LiveConnection<unknown>, "greet">,
  host: SourceHost,
): Promise<void> {
  const puller = pullerOf(sequence);
  let stopped = false;
  const stop = (): void => {
    if (stopped) return;
    stopped = true;
    connection.signal.removeEventListener("abort", stop);
    host.stopSource(() => puller.stop());
  };
  if (connection.signal.aborted) return stop();
  connection.signal.addEventListener("abort", stop);
  try {
    await connection.greet();
    for (;;) {
      const { done, value } = await puller.next();
      if (done === true) break;
      await connection.send(value as ServerSentEvent);
    }
    stopped = true;
    connection.signal.removeEventListener("abort", stop);
  } catch (error) {
    stop();
    throw error;
  }
}

/** What a reader and both kinds of iterator have in common. */
interface Puller {
  next(): PromiseLike<PullResult> | PullResult;
  stop(): unknown;
}

interface PullResult {
  readonly done?: boolean | undefined;
  readonly value?: unknown;
}

function pullerOf(sequence: unknown): Puller {
  // A string and bytes can be iterated, but not for events.
  if (typeof sequence === "object" && sequence !== null && !ArrayBuffer.isView(sequence)) {
    if ("getReader" in sequence) {
      const reader = (sequence as ReadableStream).getReader();
      return { next: () => reader.read(), stop: () => reader.cancel() };
    }
    if (Symbol.asyncIterator in sequence) {
      return iteratorPuller((sequence as AsyncIterable<unknown>)[Symbol.asyncIterator]());
    }
    if (Symbol.iterator in sequence) return iteratorPuller((sequence as Iterable<unknown>)[Symbol.iterator]());
  }
  const hint =
    typeof Response !== "undefined" && sequence instanceof Response ? "; return decodeEventStream(response)" : "";
  throw new SluiceError(
    "invalid-source",
    `Cannot stream events: the source returned ${show(sequence)}; return an iterable or a ReadableStream of events, or nothing${hint}`,
  );
}

function iteratorPuller(iterator: AsyncIterator<unknown> | Iterator<unknown>): Puller {
  return { next: () => iterator.next(), stop: () => iterator.return?.() };
}
