import { joinBytes } from "./bytes.ts";
import { checkStoredEvent } from "./checked-store.ts";
import { encodeFields } from "./encode.ts";
import { parseEventId } from "./cursor.ts";
import { checkFields, END_ID, refuseReserved } from "./event.ts";
import type { EventId, GapReason, Position, Slice } from "./event-store.ts";

/** An event of a channel, as readers get it. */
export interface ChannelEvent {
  readonly type: "event";
  /** The cursor behind it: of its channel, or of all the channels that are read together. */
  readonly id: EventId;
  /** The name of its channel. */
  readonly channel: string;
  readonly event?: string;
  readonly data: string;
  readonly key?: string;
  /** When it was published, in ms since the epoch. */
  readonly at: number;
}

/** What a reader of a channel gets, in order. */
export type ChannelItem =
  | ChannelEvent
  /** Events between the cursor and what follows are gone, or left out; or the cursor was none of this log. */
  | { readonly type: "gap"; readonly reason: GapReason | "skipped"; readonly id: Position; readonly channel: string }
  /** All that was stored has been read; what follows is new. Comes once. */
  | { readonly type: "live"; readonly id: Position }
  /** The channel is closed: nothing follows. */
  | { readonly type: "end" };

/** One item, and its bytes on the wire: encoded once, shared by all that send it, never written again. */
export type Segment = { readonly [Type in ChannelItem["type"]]: SegmentOf<Type> }[ChannelItem["type"]];

export type EventSegment = SegmentOf<"event">;

interface SegmentOf<Type extends ChannelItem["type"]> {
  readonly type: Type;
  /** Frozen: what one reader's filter did to it, every other would see. */
  readonly item: Extract<ChannelItem, { readonly type: Type }>;
  /** Of an event, where it has one. */
  readonly key: string | undefined;
  /** Where a reader is behind it. */
  readonly position: Position;
  /** The line of the id comes first. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The segments of a slice, its gap and its end among them. */
export function segmentsOf(channel: string, slice: Slice, onError: (error: unknown) => void): readonly Segment[] {
  const segments: Segment[] = [];
  let position = slice.from;
  if (slice.gap !== undefined) segments.push(gapSegment(channel, slice.gap, slice.from));
  for (const stored of slice.events) {
    const { id, event, data, key, at } = stored;
    try {
      checkStoredEvent(stored);
      refuseReserved("event", event);
      const optional = { ...(event !== undefined && { event }), ...(key !== undefined && { key }) };
      segments.push(eventSegment({ type: "event", id, channel, ...optional, data, at }));
      position = id;
    } catch (error) {
      // What the store gave back is not what publish() checked: one event is lost, and the readers are told.
      onError(error);
      if (parseEventId(id) !== undefined) position = id;
      segments.push(gapSegment(channel, "skipped", position));
    }
  }
  if (slice.closed) segments.push(endSegment(slice.next));
  return segments;
}

/** An event that is encoded when it is first sent: of what a store gives back, a reader may send little. */
class PlainEvent implements EventSegment {
  readonly type = "event";
  readonly item: ChannelEvent;
  #bytes: Uint8Array<ArrayBuffer> | undefined = undefined;

  /** @throws {SluiceError} `invalid-field` */
  constructor(item: ChannelEvent) {
    const { id, event, data } = item;
    checkFields({ ...NO_FIELDS, id, event, data });
    this.item = Object.freeze(item);
  }

  get key(): string | undefined {
    return this.item.key;
  }

  get position(): Position {
    return this.item.id;
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    this.#bytes ??= utf8.encode(eventText(this.item).join(""));
    return this.#bytes;
  }
}

/** @throws {SluiceError} `invalid-field` */
export function eventSegment(event: ChannelEvent): EventSegment {
  return new PlainEvent(event);
}

/** What the bytes of an event do not tell; all of it, where its text is not what it was. */
export type Untold = ChannelEvent | (Pick<ChannelEvent, "channel" | "at"> & { readonly key: string | undefined });

/** An event of which there are the bytes: for readers that look into it, it is made of them. */
export class EncodedEvent implements EventSegment {
  readonly type = "event";
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #untold: Untold;
  #item: ChannelEvent | undefined = undefined;
  #position: Position | undefined = undefined;

  constructor(bytes: Uint8Array<ArrayBuffer>, untold: Untold) {
    this.bytes = bytes;
    this.#untold = untold;
  }

  get key(): string | undefined {
    return this.#untold.key;
  }

  get position(): Position {
    this.#position ??= idOf(this.bytes);
    return this.#position;
  }

  get item(): ChannelEvent {
    this.#item ??= "id" in this.#untold ? this.#untold : Object.freeze(decodeEvent(this.bytes, this.#untold));
    return this.#item;
  }
}

/** Whether {@link EncodedEvent} can make it again: a CR has become a LF, a lone surrogate U+FFFD. */
export function isToldByBytes({ event, data }: ChannelEvent): boolean {
  return !data.includes("\r") && data.isWellFormed() && event?.isWellFormed() !== false;
}

/** The text of an event, its id first; in parts, since joining them would copy the data once more. */
export function eventText({ id, event, data }: ChannelEvent): readonly string[] {
  if (data.includes("\n") || data.includes("\r")) return [textOf(id, event, data)];
  return [`${ID}${id}\n${event === undefined ? "" : `${EVENT}${event}\n`}${DATA}`, data, "\n\n"];
}

function textOf(id: string, event: string | undefined, data: string): string {
  return `${ID}${id}\n${encodeFields({ ...NO_FIELDS, event, data })}`;
}

/** The id in the first line of a segment. */
export function idOf(bytes: Uint8Array<ArrayBuffer>): string {
  return decoder.decode(bytes.subarray(ID.length, bytes.indexOf(LF)));
}

/** The reverse of `eventText`. */
function decodeEvent(bytes: Uint8Array<ArrayBuffer>, { key, ...untold }: Exclude<Untold, ChannelEvent>): ChannelEvent {
  const bodyAt = bytes.indexOf(LF) + 1;
  const hasName = bytes[bodyAt] === NAMED;
  const dataAt = hasName ? bytes.indexOf(LF, bodyAt) + 1 : bodyAt;
  // Apart from the data, which a name that somebody keeps would keep alive.
  const name = hasName && decoder.decode(bytes.subarray(bodyAt + EVENT.length, dataAt - 1));
  const data = decoder.decode(bytes.subarray(dataAt + DATA.length, -"\n\n".length));
  return {
    type: "event",
    id: idOf(bytes),
    ...untold,
    ...(name !== false && { event: name }),
    data: data.replaceAll(`\n${DATA}`, "\n"),
    ...(key !== undefined && { key }),
  };
}

const LF = 10;
const ID = "id: ";
const EVENT = "event: ";
const NAMED = EVENT.charCodeAt(0);
const DATA = "data: ";
const NO_FIELDS = { event: undefined, data: undefined, id: undefined, retry: undefined, comment: undefined };

export function liveSegment(position: Position): Segment {
  const item = Object.freeze({ type: "live", id: position });
  return { type: "live", item, key: undefined, position, bytes: encode(position, "sluice.live", "{}") };
}

/** @param index of the channel among those that are read together: its name is nobody's business */
export function gapSegment(
  channel: string,
  reason: GapReason | "skipped",
  position: Position,
  index?: number,
): Segment {
  const item = Object.freeze({ type: "gap", reason, id: position, channel });
  const bytes = encode(position, "sluice.gap", JSON.stringify({ reason, index }));
  return { type: "gap", item, key: undefined, position, bytes };
}

/** On the wire the end has an id of its own, which no channel has: who comes back with it is told to stop. */
export function endSegment(position: Position): Segment {
  const item = Object.freeze({ type: "end" });
  return { type: "end", item, key: undefined, position, bytes: encode(END_ID, END_ID, "{}") };
}

function encode(id: string, event: string, data: string): Uint8Array<ArrayBuffer> {
  return utf8.encode(textOf(id, event, data));
}

/** Events of one channel, each under a cursor of several channels. */
export interface RenamedEvents {
  readonly segments: readonly Segment[];
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The position of the last of them in its own channel. */
  readonly position: Position;
}

/**
 * As many of the events as `maxBytes` allow, and at least one. Their bodies are copied, not encoded again.
 *
 * @param cursorOf the cursor for the event at a position
 */
export function underCursors(
  events: readonly EventSegment[],
  cursorOf: (position: Position) => string,
  maxBytes: number,
): RenamedEvents {
  const segments: Segment[] = [];
  let length = 0;
  let position: Position = "origin";
  for (const event of events) {
    const renamed = withId(event, cursorOf(event.position));
    if (length > 0 && length + renamed.bytes.length > maxBytes) break;
    length += renamed.bytes.length;
    position = event.position;
    segments.push(renamed);
  }
  return { segments, bytes: joinBytes(segments.map(({ bytes }) => bytes)), position };
}

function withId(segment: EventSegment, id: string): Segment {
  const body = segment.bytes.subarray(segment.bytes.indexOf(LF) + 1);
  return {
    type: "event",
    get item() {
      return Object.freeze({ ...segment.item, id });
    },
    key: segment.key,
    position: id,
    bytes: joinBytes([utf8.encode(`${ID}${id}\n`), body]),
  };
}

const utf8 = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The position that a reading begins behind, and the gap that it begins with. */
export interface Beginning {
  readonly from: Position;
  readonly gap: GapReason | "skipped" | undefined;
}

export function beginningOf(from: Position, [first]: readonly Segment[]): Beginning {
  return { from, gap: first?.type === "gap" ? first.item.reason : undefined };
}

/** Segments that are sent together: what all connections at the same place share. */
export interface Batch {
  readonly segments: readonly Segment[];
  /** How many there are. */
  readonly count: number;
  /** The position that they follow. */
  readonly from: Position;
  readonly last: Pick<Segment, "type" | "position"> | undefined;
  /** It comes from the store, and not from the run. */
  readonly isReplay: boolean;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** How many of the segments are events. */
  readonly events: number;
  readonly hasGap: boolean;
}

/** A batch of segments that are at hand. */
export class SegmentBatch implements Batch {
  readonly segments: readonly Segment[];
  readonly from: Position;
  readonly isReplay: boolean;
  #bytes: Uint8Array<ArrayBuffer> | undefined;
  #events: number | undefined = undefined;
  #hasGap: boolean | undefined;

  /** @param known the bytes, where they have been joined; and that it has a gap, where that is one of another batch */
  constructor(
    segments: readonly Segment[],
    from: Position,
    isReplay = false,
    known: Partial<Pick<Batch, "bytes" | "hasGap">> = {},
  ) {
    this.segments = segments;
    this.from = from;
    this.isReplay = isReplay;
    this.#bytes = known.bytes;
    this.#hasGap = known.hasGap;
  }

  get count(): number {
    return this.segments.length;
  }

  get last(): Segment | undefined {
    return this.segments.at(-1);
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    this.#bytes ??= joinBytes(this.segments.map(({ bytes }) => bytes));
    return this.#bytes;
  }

  get events(): number {
    this.#events ??= this.segments.filter(({ type }) => type === "event").length;
    return this.#events;
  }

  get hasGap(): boolean {
    this.#hasGap ??= this.segments.some(({ type }) => type === "gap");
    return this.#hasGap;
  }
}
