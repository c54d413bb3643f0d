import { Readable } from "./channel.ts";
import type { Channel, ChannelGroup } from "./channel.ts";
import type { Connection, LiveConnection } from "./connection.ts";
import type { Crowd } from "./crowd.ts";
import { refuseLarge } from "./encoded-size.ts";
import { isBytes, isClass, isPromise, show, SluiceError, tagOf } from "./errors.ts";
import { checkFields, refuseReserved, unknownField } from "./event.ts";
import type { ServerSentEvent } from "./event.ts";
import { Flow } from "./flow.ts";
import type { FlowEnd } from "./flow.ts";
import { ignoreRejection } from "./guard.ts";
import { isMarked } from "./kinship.ts";
import { Lens } from "./lens.ts";
import type { SeenEvent } from "./lens.ts";
import type { Reading } from "./reader.ts";
import type { Settings } from "./options.ts";
import type { ChannelEvent } from "./segment.ts";
import { serializeData } from "./serialize.ts";

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
  if (source instanceof Readable || (typeof source === "function" && !isClass(source))) return;
  ignoreRejection(source);
  const isObject = typeof source === "object" && source !== null && !isPromise(source);
  const once = isObject && ("next" in source ? "an iterator" : "getReader" in source ? "a ReadableStream" : undefined);
  const problem = once
    ? `${once} could serve one client only; pass a function that returns a new one`
    : `source is ${show(source)}; ${insteadOf(source)}`;
  throw new SluiceError("invalid-source", `Cannot create event stream: ${problem}`);
}

function insteadOf(source: unknown): string {
  if (isPromise(source)) return "await it, and pass a function or a channel";
  if (isMarked(source, "sluice.hub")) return "pass one of its channels, such as hub.channel(name)";
  if (isStore(source)) return "make a hub over it, and pass one of its channels: createHub({ store }).channel(name)";
  if (isSequence(source)) return "pass a function that returns it: () => events";
  return "pass a channel, or a function that is called once for each connection";
}

/** Who runs a source: told once how it ended, or failed. */
export interface SourceHost {
  /** Makes the connection one of a hub's, or turns it away and returns false. */
  enter(crowd: Crowd): boolean;
  /** Turns the connection away: the hub can read no further channel. */
  noPlace(): undefined;
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
  const reading = openWithin(channel, start, cursor, view);
  if (reading === undefined) return host.noPlace();
  connection.attach(new Flow(reading, connection, settings, host, channel.crowd));
}

/** Undefined where the hub has as many live channels as it may have. */
function openWithin(channel: Readable, ...given: Parameters<Readable["open"]>): Reading | undefined {
  try {
    return channel.open(...given);
  } catch (error) {
    if (error instanceof SluiceError && error.option === "maxLiveChannels") return undefined;
    throw error;
  }
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
    "Cannot stream channel: it belongs to another hub than the option hub; leave the option out, or pass the channel's hub",
  );
}

/** What `map` has returned, checked as what is published is. */
function seenEvent<Native>(event: ChannelEvent, mapped: unknown, settings: Settings<Native>): SeenEvent {
  ignoreRejection(mapped);
  if (typeof mapped !== "object" || mapped === null || !("data" in mapped) || mapped.data === undefined) {
    throw new SluiceError(
      "invalid-field",
      `Cannot map event: map returned ${show(mapped)}; return the event, or { event, data } in its place, at once`,
      { field: "data" },
    );
  }
  const type = "event" in mapped ? mapped.event : undefined;
  const { data } = mapped;
  for (const field in mapped) {
    if (field === "event" || field === "data") continue;
    // A copy of the event has the fields of the event.
    const isCopied = mapped[field as "data"] === event[field as "data"];
    if (!isCopied && Object.hasOwn(mapped, field)) throw unmapped(field, event, mapped);
  }
  if (type === event.event && data === event.data) return event;
  refuseReserved("event", type);
  const fields = { ...NO_FIELDS, event: type, data: serializeData(settings.serialize, data) };
  checkFields(fields);
  refuseLarge(fields, { action: MAP, option: "maxEventBytes", bytes: settings.maxEventBytes });
  return fields;
}

function unmapped(field: string, event: ChannelEvent, mapped: object): SluiceError {
  if (!Object.hasOwn(event, field)) return unknownField(MAP, field, mapped, ["event", "data"]);
  return new SluiceError("invalid-field", `${MAP}: ${field} of an event cannot be changed; change event or data`, {
    field,
  });
}

const MAP = "Cannot map event";
const NO_FIELDS = { event: undefined, data: undefined, id: undefined, retry: undefined, comment: undefined };

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
  if (isSequence(sequence)) {
    if ("getReader" in sequence) {
      if (sequence.locked) throw usedTwice("ReadableStream");
      const reader = sequence.getReader();
      return { next: () => reader.read(), stop: () => reader.cancel() };
    }
    if (Symbol.asyncIterator in sequence) return iteratorPuller(sequence, sequence[Symbol.asyncIterator]());
    return iteratorPuller(sequence, sequence[Symbol.iterator]());
  }
  throw new SluiceError(
    "invalid-source",
    `Cannot stream events: the source returned ${show(sequence)}; ${insteadOfReturned(sequence)}`,
  );
}

function isSequence(value: unknown): value is EventSequence {
  // Bytes can be iterated, but not for events.
  if (typeof value !== "object" || value === null || isBytes(value)) return false;
  return "getReader" in value || Symbol.asyncIterator in value || Symbol.iterator in value;
}

function insteadOfReturned(value: unknown): string {
  if (isClass(value)) return "return events";
  if (typeof value === "function") {
    return "call it and return what it returns; where eventStream made it, return that one's channel or events instead";
  }
  if (typeof value === "string") return "return events, such as [{ data: text }]";
  if (isBytes(value)) return "return the events that decodeEventStream makes of them";
  if (tagOf(value) === "Response") return "to pass on its events, return decodeEventStream(response)";
  if (isMarked(value, "sluice.hub")) return "return one of its channels, such as hub.channel(name)";
  const isEvent = typeof value === "object" && value !== null && ("data" in value || "event" in value);
  if (isEvent) return "return an array of events, or yield it";
  return "return an iterable or a ReadableStream of events, a channel, or nothing";
}

function isStore(value: unknown): boolean {
  return typeof value === "object" && value !== null && "append" in value && "watch" in value;
}

/** What has served a connection, and is used up. */
const used = new WeakSet<object>();

function iteratorPuller(sequence: object, iterator: AsyncIterator<unknown> | Iterator<unknown>): Puller {
  // A stream of Node makes iterators, but has its items once.
  if (iterator === sequence || "pipe" in sequence) {
    if (used.has(sequence)) throw usedTwice("pipe" in sequence ? "stream" : "iterator");
    used.add(sequence);
  }
  const stop = (): unknown => {
    if (Array.isArray(sequence)) ignoreRejection(sequence, 1);
    return iterator.return?.();
  };
  return { next: () => iterator.next(), stop };
}

function usedTwice(what: string): SluiceError {
  const problem = `the source returned a${what === "iterator" ? "n" : ""} ${what} that is in use or used up`;
  return new SluiceError("invalid-source", `Cannot stream events: ${problem}; return a new one for each connection`);
}
