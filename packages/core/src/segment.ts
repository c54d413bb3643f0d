import { joinBytes } from "./bytes.ts";
import { encodeFields } from "./encode.ts";
import { parseEventId } from "./cursor.ts";
import { END_ID, refuseReserved } from "./event.ts";
import type { EventId, GapReason, Position, Slice } from "./event-store.ts";

/** What a reader of a channel gets, in order. */
export type ChannelItem =
  | {
      readonly type: "event";
      readonly id: EventId;
      readonly event?: string;
      readonly data: string;
      readonly key?: string;
      /** When it was published, in ms since the epoch. */
      readonly at: number;
    }
  /** Events between the cursor and what follows are gone, or the cursor was none of this log. */
  | { readonly type: "gap"; readonly reason: GapReason | "skipped"; readonly id: Position }
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
}

/** The segments of a slice, its gap and its end among them. */
export function segmentsOf(slice: Slice, onError: (error: unknown) => void): Segment[] {
  const segments: Segment[] = [];
  let position = slice.from;
  if (slice.gap !== undefined) segments.push(gapSegment(slice.gap, slice.from));
  for (const { id, event, data, key, at } of slice.events) {
    try {
      refuseReserved("event", event);
      const bytes = encode(event, id, data);
      position = id;
      const optional = { ...(event !== undefined && { event }), ...(key !== undefined && { key }) };
      segments.push({ item: { type: "event", id, ...optional, data, at }, position: id, bytes });
    } catch (error) {
      // What the store gave back is not what publish() checked: one event is lost, and the readers are told.
      onError(error);
      if (parseEventId(id) !== undefined) position = id;
      segments.push(gapSegment("skipped", position));
    }
  }
  if (slice.closed) segments.push(endSegment(slice.next));
  return segments;
}

function liveSegment(position: Position): Segment {
  return { item: { type: "live", id: position }, position, bytes: encode("sluice.live", position, "{}") };
}

function gapSegment(reason: GapReason | "skipped", position: Position): Segment {
  const bytes = encode("sluice.gap", position, JSON.stringify({ reason }));
  return { item: { type: "gap", reason, id: position }, position, bytes };
}

function endSegment(position: Position): Segment {
  return { item: { type: "end" }, position, bytes: encode(END_ID, END_ID, "{}") };
}

const utf8 = new TextEncoder();

function encode(event: string | undefined, id: string, data: string): Uint8Array<ArrayBuffer> {
  return utf8.encode(encodeFields({ event, data, id, retry: undefined, comment: undefined }));
}

/** Segments that are sent together; their joined bytes are made once for all connections that are at the same place. */
export class Batch {
  readonly segments: readonly Segment[];
  #bytes: Uint8Array<ArrayBuffer> | undefined = undefined;

  constructor(segments: readonly Segment[]) {
    this.segments = segments;
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    this.#bytes ??= joinBytes(this.segments.map(({ bytes }) => bytes));
    return this.#bytes;
  }
}

/** Said to one reader, not an entry of the run. */
export function liveBatch(position: Position): Batch {
  return new Batch([liveSegment(position)]);
}
