import { LogChannel } from "./channel.ts";
import type { Channel } from "./channel.ts";
import type { Connection, LiveConnection } from "./connection.ts";
import { parseEventId } from "./cursor.ts";
import type { Start } from "./cursor.ts";
import { SluiceError, show } from "./errors.ts";
import type { ServerSentEvent } from "./event.ts";
import type { Settings } from "./options.ts";
import { within } from "./timer.ts";

/** Events that are pulled one by one, as there is room. */
export type EventSequence =
  | AsyncIterable<ServerSentEvent>
  | Iterable<ServerSentEvent>
  | ReadableStream<ServerSentEvent>;

/**
 * What a stream comes from: a channel, or a function that is called once for each connection. It returns a channel; or
 * the events, as a generator, an iterable or a `ReadableStream`; or nothing, when it has used `connection.send()` and is
 * done.
 */
export type Source<Native = unknown> = Channel | SourceFunction<Native>;

/** See {@link Source}. */
export type SourceFunction<Native = unknown> = (
  connection: Connection<Native>,
) => Channel | EventSequence | void | Promise<Channel | EventSequence | void>;

/** @throws {SluiceError} `invalid-source` for anything but a function or a channel */
export function checkSource(source: unknown): void {
  if (typeof source === "function" || source instanceof LogChannel) return;
  const isSequence = typeof source === "object" && source !== null && ("next" in source || "getReader" in source);
  const why = isSequence
    ? `${"next" in source ? "an iterator" : "a ReadableStream"} could serve one client only; pass a function that returns a new one`
    : `it is ${show(source)}; pass a channel, or a function that is called once for each connection`;
  throw new SluiceError("invalid-source", `Cannot create event stream: the source is no function: ${why}`);
}

/**
 * Runs the source of one connection to its end.
 *
 * @param onStop given what stops the source, where it has to be stopped: to be called at once
 * @returns how it ended
 */
export async function runSource<Native>(
  source: Source<Native>,
  connection: LiveConnection<Native>,
  settings: Settings<Native>,
  onStop: (stop: () => unknown) => void,
): Promise<SourceEnd> {
  const produced = typeof source === "function" ? source(connection) : source;
  // A channel's headers tell how the resume went; all other sources' leave at once.
  if (produced instanceof LogChannel) {
    return connection.hasSeenEnd ? "over" : runChannel(produced, connection, settings);
  }
  // A client that has seen the end waits: 204 may be all that there is to say.
  if (!connection.hasSeenEnd) void connection.greet();
  const awaited = await produced;
  if (awaited instanceof LogChannel) {
    return connection.hasSeenEnd ? "over" : runChannel(awaited, connection, settings);
  }
  void connection.greet();
  if (awaited !== undefined) await runSequence(awaited, connection, onStop);
  return "finished";
}

/**
 * `finished`: it had no more. `sealed`: its channel is closed, and has told the client so. `over`: it had told this client
 * so before. `drained`: the hub is closing.
 */
export type SourceEnd = "finished" | "sealed" | "over" | "drained";

/** A channel: what its reader takes is what the connection writes. */
async function runChannel<Native>(
  channel: LogChannel,
  connection: LiveConnection<Native>,
  settings: Settings<Native>,
): Promise<SourceEnd> {
  const reader = channel.open(startOf(connection, settings.start), connection.signal);
  let batch = await within(settings.openTimeout, reader.next(settings.maxWriteBytes), async () => {
    // 200, and a time to come back: for a 5xx a native EventSource would never return.
    await connection.greet();
    throw new SluiceError(
      "unavailable",
      `Cannot read channel: the store has not answered for openTimeout (${settings.openTimeout} ms)`,
    );
  });
  const isGap = batch?.segments[0]?.item.type === "gap";
  // Also where the hub is closing already: a client that gets a stream comes back.
  void connection.greet(isGap ? "gap" : connection.resume === "fresh" ? "fresh" : "resumed");
  while (batch !== undefined) {
    await connection.write(batch.bytes);
    if (batch.segments.at(-1)?.item.type === "end") return "sealed";
    batch = await reader.next(settings.maxWriteBytes);
  }
  return "drained";
}

/** What no log has a place for: a store answers `unknown`. */
const NO_CURSOR = "?";

/** A client's cursor is its word: only what can be one is taken for one, and the rest is told `unknown` by the store. */
function startOf(connection: Connection, start: Start): Start {
  const { resume, lastEventId } = connection;
  if (resume === "fresh") return start;
  const fits = lastEventId === "origin" || (lastEventId !== undefined && parseEventId(lastEventId) !== undefined);
  return fits ? lastEventId : NO_CURSOR;
}

/**
 * A sequence: pulled as there is room. It is stopped as soon as the connection is over, also while it works, and also
 * when an event is refused: a generator's `finally` runs.
 */
async function runSequence(
  sequence: unknown,
  connection: Connection & Pick<LiveConnection<unknown>, "greet">,
  onStop: (stop: () => unknown) => void,
): Promise<void> {
  const puller = pullerOf(sequence);
  let stopped = false;
  const stop = (): void => {
    if (stopped) return;
    stopped = true;
    connection.signal.removeEventListener("abort", stop);
    onStop(() => puller.stop());
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
