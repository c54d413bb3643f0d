import { joinBytes } from "./bytes.ts";
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
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where in the bytes the line of the id ends, which comes first. */
  readonly bodyAt: number;
}

/** The segments of a slice, its gap and its end among them. */
export function segmentsOf(channel: string, slice: Slice, onError: (error: unknown) => void): Segment[] {
  const segments: Segment[] = [];
  let position = slice.from;
  if (slice.gap !== undefined) segments.push(gapSegment(channel, slice.gap, slice.from));
  for (const { id, event, data, key, at } of slice.events) {
    try {
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

/**
 * An event is a text until it is first sent, and bytes from then on: of what a store gives back, a reader that hides or
 * coalesces may send little; and of what is sent, few readers look at the data again.
 */
class TextOrBytes implements EventSegment {
  readonly type = "event";
  readonly #meta: Omit<ChannelEvent, "data">;
  /** Undefined where the bytes tell it. */
  #data: string | undefined;
  #item: ChannelEvent | undefined = undefined;
  #bytes: Uint8Array<ArrayBuffer> | undefined = undefined;
  #bodyAt = 0;

  /** @throws {SluiceError} `invalid-field` */
  constructor({ data, ...meta }: ChannelEvent) {
    checkFields({ ...NO_FIELDS, id: meta.id, event: meta.event, data });
    this.#meta = meta;
    this.#data = data;
  }

  get item(): ChannelEvent {
    this.#item ??= Object.freeze({ ...this.#meta, data: this.#data ?? this.#dataOfBytes() });
    return this.#item;
  }

  get key(): string | undefined {
    return this.#meta.key;
  }

  get position(): Position {
    return this.#meta.id;
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    if (this.#bytes !== undefined) return this.#bytes;
    const { id, event } = this.#meta;
    const data = this.#data as string;
    const { bytes, bodyAt } = encodeSegment(id, event, data);
    this.#bytes = bytes;
    this.#bodyAt = bodyAt;
    // All but what the wire has otherwise.
    if (!data.includes("\r") && data.isWellFormed()) this.#data = undefined;
    return bytes;
  }

  get bodyAt(): number {
    return this.bytes === undefined ? 0 : this.#bodyAt;
  }

  #dataOfBytes(): string {
    const { event } = this.#meta;
    const body = utf8Decoder.decode(this.bytes.subarray(this.#bodyAt));
    const dataAt = (event === undefined ? 0 : `event: ${event}\n`.length) + DATA.length;
    return body.slice(dataAt, -"\n\n".length).replaceAll(`\n${DATA}`, "\n");
  }
}

const DATA = "data: ";

/** @throws {SluiceError} `invalid-field` */
export function eventSegment(event: ChannelEvent): EventSegment {
  return new TextOrBytes(event);
}

function encodeSegment(id: string, event: string | undefined, data: string): Pick<Segment, "bytes" | "bodyAt"> {
  const idLine = `id: ${id}\n`;
  const body = encodeFields({ ...NO_FIELDS, event, data });
  return { bytes: utf8.encode(idLine + body), bodyAt: utf8.encode(idLine).length };
}

const NO_FIELDS = { event: undefined, data: undefined, id: undefined, retry: undefined, comment: undefined };

export function liveSegment(position: Position): Segment {
  const item = Object.freeze({ type: "live", id: position });
  return { type: "live", item, key: undefined, position, ...encodeSegment(position, "sluice.live", "{}") };
}

/** @param index of the channel among those that are read together: its name is nobody's business */
export function gapSegment(
  channel: string,
  reason: GapReason | "skipped",
  position: Position,
  index?: number,
): Segment {
  const item = Object.freeze({ type: "gap", reason, id: position, channel });
  const encoded = encodeSegment(position, "sluice.gap", JSON.stringify({ reason, index }));
  return { type: "gap", item, key: undefined, position, ...encoded };
}

/** On the wire the end has an id of its own, which no channel has: who comes back with it is told to stop. */
export function endSegment(position: Position): Segment {
  const item = Object.freeze({ type: "end" });
  return { type: "end", item, key: undefined, position, ...encodeSegment(END_ID, END_ID, "{}") };
}

/** The same event under another id: its body is copied, not encoded again. */
export function withId(segment: EventSegment, id: string): Segment {
  const idLine = utf8.encode(`id: ${id}\n`);
  const bytes = joinBytes([idLine, segment.bytes.subarray(segment.bodyAt)]);
  return {
    type: "event",
    get item() {
      return Object.freeze({ ...segment.item, id });
    },
    key: segment.key,
    position: id,
    bytes,
    bodyAt: idLine.length,
  };
}

const utf8 = new TextEncoder();
const utf8Decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Segments that are sent together; their joined bytes are made once for all connections that are at the same place. */
export class Batch {
  readonly segments: readonly Segment[];
  /** The position that they follow. */
  readonly from: Position;
  /** It comes from the store, and not from the run. */
  readonly isReplay: boolean;
  #bytes: Uint8Array<ArrayBuffer> | undefined = undefined;
  #events: number | undefined = undefined;
  #hasGap: boolean | undefined = undefined;

  constructor(segments: readonly Segment[], from: Position, isReplay = false) {
    this.segments = segments;
    this.from = from;
    this.isReplay = isReplay;
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    this.#bytes ??= joinBytes(this.segments.map(({ bytes }) => bytes));
    return this.#bytes;
  }

  /** How many of the segments are events. */
  get events(): number {
    this.#events ??= this.segments.filter(({ type }) => type === "event").length;
    return this.#events;
  }

  get hasGap(): boolean {
    this.#hasGap ??= this.segments.some(({ type }) => type === "gap");
    return this.#hasGap;
  }

  get last(): Segment | undefined {
    return this.segments[this.segments.length - 1];
  }
}
