import { lastFor } from "./bisect.ts";
import { joinBytes } from "./bytes.ts";
import type { Position } from "./event-store.ts";
import { EncodedEvent, eventText, idOf, isToldByBytes } from "./segment.ts";
import type { Batch, ChannelEvent, Segment } from "./segment.ts";

/**
 * The newest segments of a channel, numbered on and on, and encoded one after another in a few pieces of memory: an object
 * for each of them would live long enough to be a burden to the garbage collector, and not long enough to be worth it.
 * A segment is never written again, so whoever was given its bytes may keep them.
 */
export class Run {
  readonly #channel: string;
  readonly #maxBytes: number;
  #pieces: Piece[] = [];
  #pieceBytes = FIRST_PIECE;
  #bytes = 0;
  /** The number of the first segment, which may be within the first piece. */
  #first = 0;
  #next = 0;
  /** What the first piece follows. */
  #before: Position;

  /** @param before the position that the first segment will follow */
  constructor(channel: string, maxBytes: number, before: Position) {
    this.#channel = channel;
    this.#maxBytes = maxBytes;
    this.#before = before;
  }

  /** The number of the first segment that is kept. */
  get first(): number {
    return this.#first;
  }

  /** The number of the segment that will come next. */
  get next(): number {
    return this.#next;
  }

  /** Adds a segment, and lets go of the oldest where there is too much. */
  push(segment: Segment): void {
    if (this.#pieces.at(-1)?.push(segment) !== true) this.#add(segment);
    this.#next++;
    this.#bytes += this.#costOf(this.#next - 1);
    while (this.#bytes > this.#maxBytes && this.#first < this.#next - 1) {
      this.#bytes -= this.#costOf(this.#first++);
      const [oldest] = this.#pieces;
      if (oldest?.next !== this.#first) continue;
      this.#before = oldest.positionOf(this.#first - 1);
      this.#pieces.shift();
    }
  }

  /** The position that the segment of this number follows. */
  positionAt(place: number): Position {
    const piece = this.#pieceOf(place - 1);
    return piece?.positionOf(place - 1) ?? this.#before;
  }

  /** Undefined for one that is not kept. */
  typeOf(place: number): Segment["type"] | undefined {
    return place < this.#first ? undefined : this.#pieceOf(place)?.typeOf(place);
  }

  /** The segments from a number on. */
  segmentsFrom(place: number): readonly Segment[] {
    return segmentsOf(this.#cut(place, this.#next));
  }

  /** From a number on as many segments as `maxBytes` allow, and at least one, where there is one; no further than an end. */
  take(from: number, maxBytes: number): RunBatch {
    let to = from;
    let bytes = 0;
    let events = 0;
    let hasGap = false;
    for (let piece = this.#pieceOf(from), hasEnd = false; to < this.#next && !hasEnd; to++) {
      if (piece?.next === to) piece = this.#pieceOf(to);
      bytes += (piece as Piece).lengthOf(to);
      if (to > from && bytes > maxBytes) break;
      const type = (piece as Piece).typeOf(to);
      if (type === "event") events++;
      hasGap ||= type === "gap";
      hasEnd = type === "end";
    }
    return new RunBatch(this.#cut(from, to), { from: this.positionAt(from), count: to - from, events, hasGap });
  }

  #add(segment: Segment): void {
    const { bytes } = segment;
    if (bytes.length > OWN_PIECE) {
      this.#pieces.push(new Piece(this.#channel, this.#next, bytes, segment));
      // Should large and small ones alternate, the small ones would leave most of a large piece free.
      this.#pieceBytes = FIRST_PIECE;
      return;
    }
    const piece = new Piece(this.#channel, this.#next, new Uint8Array(Math.max(this.#pieceBytes, bytes.length)));
    this.#pieceBytes = Math.min(LARGEST_PIECE, this.#pieceBytes * 2);
    piece.push(segment);
    this.#pieces.push(piece);
  }

  #pieceOf(place: number): Piece | undefined {
    const isFrom = (i: number): boolean => (this.#pieces[i] as Piece).first <= place;
    const newest = this.#pieces.length - 1;
    // Most ask for the newest.
    const piece = this.#pieces[newest >= 0 && isFrom(newest) ? newest : lastFor(0, newest, isFrom)];
    return piece !== undefined && piece.first <= place && place < piece.next ? piece : undefined;
  }

  #cut(from: number, to: number): readonly Cut[] {
    const cuts: Cut[] = [];
    for (let place = from; place < to;) {
      const piece = this.#pieceOf(place) as Piece;
      const end = Math.min(to, piece.next);
      cuts.push({ piece, from: place, to: end });
      place = end;
    }
    return cuts;
  }

  #costOf(place: number): number {
    return (this.#pieceOf(place) as Piece).costOf(place) + EACH;
  }
}

/** In bytes: the pieces of a channel that is quiet, and what they grow to; a stalled socket may keep one. */
const FIRST_PIECE = 1024;
const LARGEST_PIECE = 16 * 1024;

/** In bytes: what is larger has a piece to itself, so that not much of a piece is left free. */
const OWN_PIECE = LARGEST_PIECE / 3;

/** In bytes, what a segment costs besides its own where a reader looks into it: measured, some 400. */
const EACH = 400;

/** Part of a piece. */
interface Cut {
  readonly piece: Piece;
  /** The numbers of its first segment, and of the one behind its last. */
  readonly from: number;
  readonly to: number;
}

/** Segments in one piece of memory. */
class Piece {
  readonly first: number;
  readonly #channel: string;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  /** Of each segment, where it ends, and when it was published: two numbers. */
  readonly #numbers: number[];
  /** By number, the keys of events, and the events of which the bytes do not tell all. */
  #keys: Map<number, string> | undefined = undefined;
  #untold: Map<number, ChannelEvent> | undefined = undefined;
  /** By number, the segments that are no events. */
  #others: Map<number, Segment> | undefined = undefined;
  /** From the first on, as many as somebody has looked at. */
  #looked: Segment[] | undefined = undefined;

  /** @param whole the one segment of the piece, where the bytes are its own */
  constructor(channel: string, first: number, bytes: Uint8Array<ArrayBuffer>, whole?: Segment) {
    this.#channel = channel;
    this.first = first;
    this.#bytes = bytes;
    this.#numbers = whole === undefined ? [] : [bytes.length, timeOf(whole)];
    if (whole !== undefined) this.#note(first, whole);
  }

  /** The number of the segment behind the last. */
  get next(): number {
    return this.first + this.#numbers.length / 2;
  }

  /** @returns false where there is no room for it */
  push(segment: Segment): boolean {
    const end = segment.type === "event" ? this.#encode(eventText(segment.item)) : this.#copy(segment.bytes);
    if (end === undefined) return false;
    this.#note(this.next, segment);
    this.#numbers.push(end, timeOf(segment));
    return true;
  }

  get #used(): number {
    return this.#numbers.at(-2) ?? 0;
  }

  #copy(bytes: Uint8Array<ArrayBuffer>): number | undefined {
    const end = this.#used + bytes.length;
    if (end > this.#bytes.length) return undefined;
    this.#bytes.set(bytes, this.#used);
    return end;
  }

  /** Of what did not fit, a part may be written: nobody has been told of it. */
  #encode(text: readonly string[]): number | undefined {
    let end = this.#used;
    for (const part of text) {
      if (end + part.length > this.#bytes.length) return undefined;
      const { read, written } = utf8.encodeInto(part, this.#bytes.subarray(end));
      if (read < part.length) return undefined;
      end += written;
    }
    return end;
  }

  /** What neither the bytes nor the numbers tell of a segment. */
  #note(place: number, segment: Segment): void {
    if (segment.type !== "event") {
      (this.#others ??= new Map()).set(place, segment);
      return;
    }
    const { item } = segment;
    if (item.key !== undefined) (this.#keys ??= new Map()).set(place, item.key);
    if (!isToldByBytes(item)) (this.#untold ??= new Map()).set(place, item);
  }

  typeOf(place: number): Segment["type"] {
    const segment = this.#others?.get(place);
    return segment === undefined ? "event" : segment.type;
  }

  positionOf(place: number): Position {
    const segment = this.#others?.get(place);
    return segment === undefined ? idOf(this.bytesOf(place, place + 1)) : segment.position;
  }

  lengthOf(place: number): number {
    return this.#endOf(place) - this.#startOf(place);
  }

  /** In bytes: what is kept beside the encoded bytes counts too. */
  costOf(place: number): number {
    const untold = this.#untold?.get(place)?.data.length ?? 0;
    return this.lengthOf(place) + 2 * (untold + (this.#keys?.get(place)?.length ?? 0));
  }

  bytesOf(from: number, to: number): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(this.#startOf(from), this.#startOf(to));
  }

  segmentsOf(from: number, to: number): readonly Segment[] {
    const looked = (this.#looked ??= []);
    for (let place = this.first + looked.length; place < to; place++) looked.push(this.#look(place));
    return looked.slice(from - this.first, to - this.first);
  }

  #look(place: number): Segment {
    const untold = this.#untold?.get(place) ?? {
      channel: this.#channel,
      at: this.#numbers[(place - this.first) * 2 + 1] as number,
      key: this.#keys?.get(place),
    };
    return this.#others?.get(place) ?? new EncodedEvent(this.bytesOf(place, place + 1), untold);
  }

  #startOf(place: number): number {
    return place === this.first ? 0 : this.#endOf(place - 1);
  }

  #endOf(place: number): number {
    return this.#numbers[(place - this.first) * 2] as number;
  }
}

/** When it was published. */
function timeOf(segment: Segment): number {
  return segment.type === "event" ? segment.item.at : 0;
}

function segmentsOf(cuts: readonly Cut[]): readonly Segment[] {
  return new Array<Segment>().concat(...cuts.map(({ piece, from, to }) => piece.segmentsOf(from, to)));
}

/** A part of the run: it keeps what it is of, whatever the run lets go. */
class RunBatch implements Batch {
  readonly from: Position;
  readonly count: number;
  readonly events: number;
  readonly hasGap: boolean;
  readonly isReplay = false;
  readonly #cuts: readonly Cut[];
  #bytes: Uint8Array<ArrayBuffer> | undefined = undefined;
  #last: Batch["last"] = undefined;

  constructor(
    cuts: readonly Cut[],
    { from, count, events, hasGap }: Pick<Batch, "from" | "count" | "events" | "hasGap">,
  ) {
    this.#cuts = cuts;
    this.from = from;
    this.count = count;
    this.events = events;
    this.hasGap = hasGap;
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    this.#bytes ??= joinBytes(this.#cuts.map(({ piece, from, to }) => piece.bytesOf(from, to)));
    return this.#bytes;
  }

  get segments(): readonly Segment[] {
    return segmentsOf(this.#cuts);
  }

  get last(): Batch["last"] {
    const { piece, to } = this.#cuts.at(-1) ?? {};
    if (piece !== undefined && to !== undefined) {
      this.#last ??= { type: piece.typeOf(to - 1), position: piece.positionOf(to - 1) };
    }
    return this.#last;
  }
}

const utf8 = new TextEncoder();
