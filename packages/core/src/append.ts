import { SluiceError, show } from "./errors.ts";
import type { Appended, AppendOptions, NewEvent, Position, Producer } from "./event-store.ts";

/** What a producer last did. */
export interface ProducerMark {
  readonly epoch: number;
  readonly seq: number;
  /** Where the log ended after that append. */
  readonly tail: Position;
}

/** What an append comes upon, read within the same atomic step. */
export interface AppendState {
  readonly tail: Position;
  readonly closed: boolean;
  /** Of the append's own producer; undefined where it has none, or one that this log does not know. */
  readonly producer: ProducerMark | undefined;
  /** The most bytes that the retention allows. */
  readonly maxBytes: number;
}

/** An event as a log keeps it. */
export interface LogEntry extends NewEvent {
  /** As `maxBytes` counts. */
  readonly bytes: number;
}

/** What becomes of an append: it is answered and changes nothing, or its entries are written. */
export type ResolvedAppend =
  | { readonly answer: Appended; readonly entries?: undefined }
  | { readonly answer?: undefined; readonly entries: readonly LogEntry[] };

/**
 * Decides what becomes of an append: the one function behind every store's. In this order: a producer's repetition is
 * answered as the first was, and its id is at most 256 characters; a closed log takes no event; the tail has to be `ifTail`; an append that has no event, and
 * closes nothing, changes nothing; each event has to be one that retention can keep. Lone surrogates become U+FFFD, as they
 * will be on the wire and in every engine.
 *
 * @throws {SluiceError} `fenced`, `sequence`, `closed`, `conflict` or `too-large`
 *
 * @example
 * ```ts
 * import { resolveAppend } from "@sluice/core";
 *
 * const producer = { id: "p", epoch: 0, seq: 4 };
 * const log = { tail: "e1.a9aaaa", closed: false, maxBytes: 1000 };
 * const repeated = resolveAppend([{ data: "x" }], { producer }, { ...log, producer: { ...producer, tail: "e1.a7bbbb" } });
 * console.assert(repeated.answer?.duplicate === true && repeated.answer.tail === "e1.a7bbbb");
 * const first = resolveAppend([{ data: "x" }], {}, { ...log, producer: undefined });
 * console.assert(first.entries?.length === 1);
 * ```
 */
export function resolveAppend(
  events: readonly NewEvent[],
  { producer, ifTail, close = false }: AppendOptions,
  { tail, closed, producer: last, maxBytes }: AppendState,
): ResolvedAppend {
  if (producer !== undefined && producer.id.length > LONGEST_PRODUCER_ID) {
    throw new SluiceError(
      "too-large",
      `Cannot append: the producer's id has ${producer.id.length} characters, and each channel keeps it; make it at most ${LONGEST_PRODUCER_ID}`,
      { option: "producer" },
    );
  }
  if (producer !== undefined && isRepeated(producer, last, closed))
    return { answer: { tail: last.tail, duplicate: true } };
  if (closed && events.length > 0) {
    throw new SluiceError("closed", "Cannot append: the channel is closed; drop it to begin anew");
  }
  if (!closed && ifTail !== undefined && ifTail !== tail) {
    throw new SluiceError(
      "conflict",
      `Cannot append: the tail is ${show(tail)}, not ${show(ifTail)}; read on and decide again`,
    );
  }
  if (events.length === 0 && (closed || !close)) return { answer: { tail, duplicate: false } };
  return { entries: events.map((event) => entryOf(event, maxBytes)) };
}

/** In UTF-16 code units. */
const LONGEST_PRODUCER_ID = 256;

function isRepeated(
  { id, epoch, seq }: Producer,
  last: ProducerMark | undefined,
  closed: boolean,
): last is ProducerMark {
  if (last !== undefined && epoch < last.epoch) {
    throw new SluiceError(
      "fenced",
      `Cannot append: producer ${show(id)} is at epoch ${last.epoch}, this is ${epoch}; another has taken over`,
    );
  }
  const expected = last === undefined || epoch > last.epoch ? 0 : last.seq + 1;
  // Whatever is missing cannot be appended to a closed log either, which may have forgotten its producers by now.
  if (seq > expected && !closed) {
    throw new SluiceError(
      "sequence",
      `Cannot append: producer ${show(id)} should send seq ${expected}, this is ${seq}; an append is missing`,
    );
  }
  return seq < expected;
}

function entryOf({ event, data, key }: NewEvent, maxBytes: number): LogEntry {
  const bytes = (event?.length ?? 0) + data.length + (key?.length ?? 0) + 64;
  if (bytes > maxBytes) {
    throw new SluiceError(
      "too-large",
      `Cannot append: an event of ${bytes} bytes is over the retention's maxBytes (${maxBytes}); split it or raise the limit`,
      { option: "maxBytes" },
    );
  }
  const entry: { -readonly [Field in keyof LogEntry]: LogEntry[Field] } = { data: data.toWellFormed(), bytes };
  if (event !== undefined) entry.event = event.toWellFormed();
  if (key !== undefined) entry.key = key.toWellFormed();
  return entry;
}
