import { ChannelIterator } from "./channel-iterator.ts";
import { anAbortSignal, checkOptions } from "./check-options.ts";
import type { Rule } from "./check-options.ts";
import { formatCompositeCursor, keysOf, parseCompositeCursor } from "./composite-cursor.ts";
import type { Crowd } from "./crowd.ts";
import { isLast, isPosition } from "./cursor.ts";
import type { Start } from "./cursor.ts";
import { refuseLarge } from "./encoded-size.ts";
import { SluiceError, show } from "./errors.ts";
import { checkFields, notPublishable, refuseReserved, unknownField } from "./event.ts";
import type { EventId, NewEvent, Position, Producer } from "./event-store.ts";
import { GroupReader } from "./group-reader.ts";
import { ignoreRejection, startGuarded } from "./guard.ts";
import { isMarked, mark } from "./kinship.ts";
import type { Reader, Reading, View } from "./reader.ts";
import type { ChannelItem } from "./segment.ts";
import { serializeData } from "./serialize.ts";

/** An event as it is published: the log mints its id. */
export interface PublishedEvent<Data = unknown> {
  /** The event type; not empty, no CR or LF, not starting with `sluice.`. */
  readonly event?: string | undefined;
  /** The payload; what is not a string goes through the hub's `serialize`. */
  readonly data: Data;
  /** What the event is about, for readers that want only the newest about each. */
  readonly key?: string | undefined;
}

/** Options of `channel.publish`. */
export interface PublishOptions {
  /** Makes a retried publish take effect once. */
  readonly producer?: Producer | undefined;
  /** Publishes only if this is the channel's last position, else `conflict`. */
  readonly ifTail?: Position | undefined;
}

/**
 * A named log that many connections read: what `hub.channel(name)` gives. It holds nothing but its name, and may be made
 * anew for each request.
 */
export interface Channel {
  readonly name: string;
  /**
   * Appends one event, or several at once: all of them, or none.
   *
   * A rejection that nobody handles is not reported as unhandled: the hub's `onError` is called with it, unless it answers a
   * `producer` or an `ifTail` (`fenced`, `sequence`, `conflict`).
   *
   * @returns the id of the last one
   * @throws {SluiceError} `invalid-field`, `too-large`, `rate-limited`, `closed`, `fenced`, `sequence`, `conflict` or
   * `unavailable`
   */
  publish(events: PublishedEvent | readonly PublishedEvent[], options?: PublishOptions): Promise<EventId>;
  /**
   * Reads the log from a cursor on, and goes on with what is published, until the channel is closed. It begins with the
   * first `next()`, where `"tail"` is what is the tail then.
   *
   * Leaving the loop lets go of it; a signal that aborts rejects the read that waits with its reason.
   */
  read(
    from?: Start,
    options?: { readonly signal?: AbortSignal | undefined },
  ): AsyncIterableIterator<ChannelItem, undefined, undefined>;
  /** The last position, to embed in a snapshot: who reads from it joins snapshot and stream without a gap. */
  position(): Promise<Position>;
  /** Seals the log: readers come to their end, and nothing can be published any more. */
  close(): Promise<void>;
}

/**
 * Several channels that are read together, with one cursor for all: what `hub.channels(names)` gives. Each keeps its own
 * order; between them there is none.
 */
export interface ChannelGroup {
  readonly names: readonly string[];
  /** As `read` of a channel. The id of an item is the cursor of all; it is live when all are, and ends when all have. */
  read(
    from?: Start,
    options?: { readonly signal?: AbortSignal | undefined },
  ): AsyncIterableIterator<ChannelItem, undefined, undefined>;
  /** The last positions of all, as one cursor, to embed in a snapshot. */
  position(): Promise<string>;
}

/** What a channel needs of its hub. */
export interface ChannelContext {
  append(
    channel: string,
    events: readonly NewEvent[],
    options: PublishOptions & { close?: boolean },
  ): Promise<Position>;
  tails(channels: readonly string[]): Promise<readonly Position[]>;
  open(channel: string, start: Start, view: View): Reader;
  readonly crowd: Crowd;
  serialize(data: unknown): string;
  readonly maxEventBytes: number;
  /** Told of what failed: the caller may not be waiting. */
  readonly onFailure: (error: unknown) => void;
}

/** What a connection or a loop can read. */
export abstract class Readable {
  static {
    mark(this, "sluice.readable");
  }

  static [Symbol.hasInstance](value: unknown): boolean {
    return isMarked(value, "sluice.readable");
  }

  /** The connections of its hub. */
  abstract readonly crowd: Crowd;
  /** The longest cursor that it may give a client, in UTF-16 code units. */
  abstract readonly maxCursorLength: number;

  /**
   * @param start where to begin without a cursor
   * @param cursor a client's word, whatever it may be
   */
  abstract open(start: Start, cursor: string | undefined, view: View): Reading;

  read(
    from: Start = "tail",
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): AsyncIterableIterator<ChannelItem, undefined, undefined> {
    checkOptions("Cannot read channel", options, readRules);
    const { signal } = options;
    const start = checkStart(from);
    return new ChannelIterator(() => this.open(start, undefined, {}), signal);
  }
}

export class LogChannel extends Readable implements Channel {
  readonly name: string;
  readonly maxCursorLength: number = CURSOR_LENGTH;
  readonly #context: ChannelContext;

  constructor(name: string, context: ChannelContext) {
    super();
    this.name = checkName(name);
    this.#context = context;
  }

  get crowd(): Crowd {
    return this.#context.crowd;
  }

  publish(events: PublishedEvent | readonly PublishedEvent[], options: PublishOptions = NO_OPTIONS): Promise<EventId> {
    return startGuarded(this.#context.onFailure, () => {
      // All are checked before one is stored.
      const checked = toNewEvents(events, this.#context);
      if (options !== NO_OPTIONS) checkOptions("Cannot publish", options, publishRules);
      return this.#context.append(this.name, checked, options);
    });
  }

  position(): Promise<Position> {
    return startGuarded(this.#context.onFailure, async () => {
      return (await this.#context.tails([this.name]))[0] ?? "origin";
    });
  }

  close(): Promise<void> {
    return startGuarded(this.#context.onFailure, async () => {
      await this.#context.append(this.name, [], { close: true });
    });
  }

  open(start: Start, cursor: string | undefined, view: View): Reading {
    const from = cursor === undefined ? start : isPosition(cursor) ? cursor : NO_CURSOR;
    return this.#context.open(this.name, from, view);
  }
}

export class LogGroup extends Readable implements ChannelGroup {
  readonly names: readonly string[];
  readonly #keys: readonly string[];
  readonly #context: ChannelContext;

  constructor(names: readonly string[], context: ChannelContext) {
    super();
    this.names = checkNames(names);
    this.#keys = keysOf(names);
    this.#context = context;
  }

  get crowd(): Crowd {
    return this.#context.crowd;
  }

  get maxCursorLength(): number {
    // A client may come from more channels than there are now.
    return MAX_CHANNELS * (CURSOR_LENGTH + "abcde:,".length);
  }

  position(): Promise<string> {
    return startGuarded(this.#context.onFailure, async () => {
      return formatCompositeCursor(this.#keys, await this.#context.tails(this.names));
    });
  }

  open(start: Start, cursor: string | undefined, view: View): Reading {
    const startsAtCursor = typeof start === "string" && start.includes(":");
    const given = cursor ?? (startsAtCursor ? start : undefined);
    const positions = given === undefined ? undefined : (parseCompositeCursor(given) ?? "unknown");
    // A channel that the cursor does not name is new to this client.
    const anew = startsAtCursor ? "tail" : start;
    const from = this.#keys.map((key) => (positions === "unknown" ? NO_CURSOR : (positions?.get(key) ?? anew)));
    const members: Reader[] = [];
    try {
      this.names.forEach((name, i) => members.push(this.#context.open(name, from[i] as Start, view)));
    } catch (error) {
      for (const member of members) member.stop();
      throw error;
    }
    const known = from.map((place) => (typeof place === "string" && isPosition(place) ? place : undefined));
    return new GroupReader(this.#keys, members, known);
  }
}

/** What no log has a place for: a store answers `unknown`. */
const NO_CURSOR = "?";

/** The longest id that a store may give an event. */
const CURSOR_LENGTH = 48;

/** The most channels that are read together: their cursor travels in a header. */
const MAX_CHANNELS = 64;

function checkNames(names: unknown): readonly string[] {
  const refuse = (problem: string): SluiceError =>
    new SluiceError("invalid-option", `Cannot open channels: ${problem}`, { option: "names" });
  if (!Array.isArray(names)) throw refuse(`names is ${show(names)}; make it an array of names`);
  if (names.length === 0 || names.length > MAX_CHANNELS) {
    throw refuse(`there are ${names.length} names; give 1 to ${MAX_CHANNELS}`);
  }
  const checked = Array.from(names, checkName);
  if (new Set(checked).size < checked.length) throw refuse("a name comes twice; give each once");
  return checked;
}

/**
 * Any string will do, as it may have come from a client: the store says `unknown` to what is no cursor.
 *
 * @throws {SluiceError} `invalid-option` for what is no place to begin at
 */
function checkStart(start: unknown): Start {
  if (typeof start === "string" ? start !== "" : isLast(start)) return start as Start;
  throw new SluiceError(
    "invalid-option",
    `Cannot read channel: start is ${show(start)}; make it "tail", "start", a position, or { last } with a positive integer`,
    { option: "start" },
  );
}

const NO_OPTIONS: PublishOptions = {};

const publishRules: Readonly<Record<keyof PublishOptions, Rule>> = {
  producer: {
    allows: (value) =>
      typeof value === "object" &&
      value !== null &&
      "id" in value &&
      typeof value.id === "string" &&
      "epoch" in value &&
      isCount(value.epoch) &&
      "seq" in value &&
      isCount(value.seq),
    wanted: "{ id, epoch, seq }: a string and two non-negative integers",
  },
  ifTail: { allows: (value) => typeof value === "string", wanted: "a position" },
};

const readRules: Readonly<Record<"signal", Rule>> = { signal: anAbortSignal };

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/** What a name may be: 1 to 256 UTF-16 code units, well-formed, without control characters. */
function checkName(name: unknown): string {
  // oxlint-disable-next-line no-control-regex
  if (typeof name === "string" && /^[^\x00-\x1f\x7f]{1,256}$/.test(name) && name.isWellFormed()) return name;
  throw new SluiceError(
    "invalid-option",
    `Cannot open channel: name is ${show(name)}; make it a string of 1 to 256 characters without control characters`,
    { option: "name" },
  );
}

function toNewEvents(events: PublishedEvent | readonly PublishedEvent[], context: ChannelContext): NewEvent[] {
  if (!Array.isArray(events)) return [toNewEvent(events as PublishedEvent, context)];
  if (events.length === 0) {
    throw new SluiceError("invalid-field", "Cannot publish: there are no events; publish at least one");
  }
  try {
    // It makes undefined of a hole, which is refused.
    return Array.from(events as readonly PublishedEvent[], (event) => toNewEvent(event, context));
  } catch (error) {
    ignoreRejection(events);
    throw error;
  }
}

const PUBLISH = "Cannot publish";
const FIELDS = ["event", "data", "key"];

function toNewEvent(published: PublishedEvent, { serialize, maxEventBytes }: ChannelContext): NewEvent {
  if (typeof published !== "object" || published === null) throw notPublishable(published);
  const { event, data, key } = published;
  if (event === undefined && data === undefined) throw notPublishable(published);
  for (const field in published) {
    if (field === "event" || field === "data" || field === "key") continue;
    if (published[field as keyof PublishedEvent] === undefined) continue;
    if (Object.hasOwn(published, field) || field === "type") throw unknownField(PUBLISH, field, published, FIELDS);
  }
  if (data === undefined) {
    throw new SluiceError("invalid-field", 'Cannot publish: the event has no data; add data, which may be ""', {
      field: "data",
    });
  }
  refuseReserved("event", event);
  if (key !== undefined && (typeof key !== "string" || key.length > MAX_KEY_LENGTH)) {
    throw new SluiceError(
      "invalid-field",
      `Cannot publish: key is ${show(key)}; make it a string of at most ${MAX_KEY_LENGTH} characters`,
      { field: "key" },
    );
  }
  const fields = { event, data: serializeData(serialize, data), id: undefined, retry: undefined, comment: undefined };
  checkFields(fields);
  refuseLarge(fields, { action: PUBLISH, option: "maxEventBytes", bytes: maxEventBytes }, key);
  return { ...(event !== undefined && { event }), data: fields.data, ...(key !== undefined && { key }) };
}

/** In UTF-16 code units. */
const MAX_KEY_LENGTH = 256;
