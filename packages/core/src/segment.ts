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
export interface Segment {
  readonly item: ChannelItem;
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
      segments.push(segmentOf({ type: "event", id, channel, ...optional, data, at }, id, event, data));
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

/** @throws {SluiceError} `invalid-field` */
export function segmentOf(item: ChannelItem, position: Position, event: string | undefined, data: string): Segment {
  return new ItemSegment(item, position, position, event, data);
}

/** Encoded when it is first sent: of what a store gives back, a reader that hides or coalesces may send little. */
class ItemSegment implements Segment {
  readonly item: ChannelItem;
  readonly position: Position;
  readonly #id: string;
  readonly #event: string | undefined;
  readonly #data: string;
  #encoded: { readonly bytes: Uint8Array<ArrayBuffer>; readonly bodyAt: number } | undefined = undefined;

  constructor(item: ChannelItem, position: Position, id: string, event: string | undefined, data: string) {
    checkFields({ ...NO_FIELDS, id, event, data });
    // What one reader's filter did to it, every other would see.
    this.item = Object.freeze(item);
    this.position = position;
    this.#id = id;
    this.#event = event;
    this.#data = data;
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#encode().bytes;
  }

  get bodyAt(): number {
    return this.#encode().bodyAt;
  }

  #encode(): { readonly bytes: Uint8Array<ArrayBuffer>; readonly bodyAt: number } {
    if (this.#encoded === undefined) {
      // Without the empty line that ends an event.
      const idLine = utf8.encode(encodeFields({ ...NO_FIELDS, id: this.#id }).slice(0, -1));
      const body = utf8.encode(encodeFields({ ...NO_FIELDS, event: this.#event, data: this.#data }));
      this.#encoded = { bytes: joinBytes([idLine, body]), bodyAt: idLine.length };
    }
    return this.#encoded;
  }
}

const NO_FIELDS = { event: undefined, data: undefined, id: undefined, retry: undefined, comment: undefined };

export function liveSegment(position: Position): Segment {
  return segmentOf({ type: "live", id: position }, position, "sluice.live", "{}");
}

/** @param index of the channel among those that are read together: its name is nobody's business */
export function gapSegment(
  channel: string,
  reason: GapReason | "skipped",
  position: Position,
  index?: number,
): Segment {
  const item = { type: "gap", reason, id: position, channel } as const;
  return segmentOf(item, position, "sluice.gap", JSON.stringify({ reason, index }));
}

/** On the wire the end has an id of its own, which no channel has: who comes back with it is told to stop. */
export function endSegment(position: Position): Segment {
  return new ItemSegment({ type: "end" }, position, END_ID, END_ID, "{}");
}

/** The same segment under another id: its body is copied, not encoded again. */
export function withId(segment: Segment, item: ChannelItem, id: string): Segment {
  const idLine = utf8.encode(`id: ${id}\n`);
  const bytes = joinBytes([idLine, segment.bytes.subarray(segment.bodyAt)]);
  return { item, position: id, bytes, bodyAt: idLine.length };
}

const utf8 = new TextEncoder();

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
    this.#events ??= this.segments.filter(({ item }) => item.type === "event").length;
    return this.#events;
  }

  get hasGap(): boolean {
    this.#hasGap ??= this.segments.some(({ item }) => item.type === "gap");
    return this.#hasGap;
  }

  get last(): Segment | undefined {
    return this.segments[this.segments.length - 1];
  }
}
