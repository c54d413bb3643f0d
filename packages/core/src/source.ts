import type { Connection } from "./connection.ts";
import { SluiceError, show } from "./errors.ts";
import type { ServerSentEvent } from "./event.ts";

/** Events that are pulled one by one, as there is room. */
export type EventSequence =
  | AsyncIterable<ServerSentEvent>
  | Iterable<ServerSentEvent>
  | ReadableStream<ServerSentEvent>;

/**
 * What a stream comes from: a function that is called once for each connection. It returns the events, as a generator,
 * an iterable or a `ReadableStream`; or nothing, when it has used `connection.send()` and is done.
 */
export type Source<Native = unknown> = (
  connection: Connection<Native>,
) => EventSequence | void | Promise<EventSequence | void>;

/** @throws {SluiceError} `invalid-source` for anything but a function */
export function checkSource(source: unknown): void {
  if (typeof source === "function") return;
  const isSequence = typeof source === "object" && source !== null && ("next" in source || "getReader" in source);
  const why = isSequence
    ? `${"next" in source ? "an iterator" : "a ReadableStream"} could serve one client only; pass a function that returns a new one`
    : `it is ${show(source)}; pass a function that is called once for each connection`;
  throw new SluiceError("invalid-source", `Cannot create event stream: the source is no function: ${why}`);
}

/**
 * Runs the source of one connection to its end. What it returned is stopped as soon as the connection is over, also
 * while it works, and also when an event is refused: a generator's `finally` runs.
 *
 * @param ready when the first event may be asked for
 * @param onCleanupError told what stopping threw
 */
export async function runSource<Native>(
  source: Source<Native>,
  connection: Connection<Native>,
  ready: Promise<void>,
  onCleanupError: (error: unknown) => void,
): Promise<void> {
  const sequence = await source(connection);
  if (sequence === undefined) return;
  const puller = pullerOf(sequence);
  let stopped = false;
  const stop = async (): Promise<void> => {
    if (stopped) return;
    stopped = true;
    connection.signal.removeEventListener("abort", stop);
    try {
      await puller.stop();
    } catch (error) {
      onCleanupError(error);
    }
  };
  if (connection.signal.aborted) return stop();
  connection.signal.addEventListener("abort", stop);
  try {
    await ready;
    for (;;) {
      const { done, value } = await puller.next();
      if (done === true) break;
      await connection.send(value as ServerSentEvent);
    }
    stopped = true;
    connection.signal.removeEventListener("abort", stop);
  } catch (error) {
    void stop();
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
