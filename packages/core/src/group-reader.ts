import { formatCompositeCursor } from "./composite-cursor.ts";
import type { Position } from "./event-store.ts";
import type { Reader, Reading } from "./reader.ts";
import { endSegment, gapSegment, liveSegment, SegmentBatch, underCursors } from "./segment.ts";
import type { Batch, Beginning, EventSegment, RenamedEvents, Segment } from "./segment.ts";
import { weakly } from "./weak.ts";

/** What a member has given, and how far the group has come with it. */
interface Pending {
  readonly index: number;
  readonly batch: Batch;
  readonly segments: readonly Segment[];
  at: number;
}

/**
 * Several readers as one: what each of them has, in turn, with the cursor of all as its id. It is live when all of them
 * are, and at its end when all are.
 *
 * The cursor of many channels is longer than most events, so what a member gives at once may be too much: it is given the
 * cursors, and passed on, a write at a time.
 */
export class GroupReader implements Reading {
  onReady: () => void = () => {};

  readonly #keys: readonly string[];
  readonly #members: readonly Reader[];
  /** Behind what was passed on of each. */
  readonly #positions: Position[];
  /** How each begins, until that is known of all: the client is told how the resume went, and that is the resume of all. */
  #beginnings: (Beginning | undefined)[] | undefined;
  /** The next batch is the first, and some member has a gap. */
  #beginsWithGap = false;
  #pending: Pending | undefined = undefined;
  /** Who has told all that was stored: live, or at the end. */
  readonly #caughtUp = new Set<number>();
  readonly #ended = new Set<number>();
  #turn = 0;

  /**
   * @param keys of the members, as they appear in cursors
   * @param positions where each has been told to begin, as far as that is known
   */
  constructor(keys: readonly string[], members: readonly Reader[], positions: readonly (Position | undefined)[]) {
    this.#keys = keys;
    this.#members = members;
    this.#positions = positions.map((position) => position ?? "origin");
    this.#beginnings = members.map(() => undefined);
    for (const member of members) member.onReady = () => this.onReady();
  }

  get position(): string {
    return formatCompositeCursor(this.#keys, this.#positions);
  }

  get lag(): number {
    const taken = this.#pending === undefined ? 0 : this.#pending.segments.length - this.#pending.at;
    return this.#members.reduce((lag, member) => lag + member.lag, taken);
  }

  get isBehind(): boolean {
    return this.#members.some((member) => member.isBehind);
  }

  get isOver(): boolean {
    return this.#members.some((member) => member.isOver);
  }

  get outcome(): Reading["outcome"] {
    const known = this.#beginnings;
    if (known === undefined) return this.#beginsWithGap ? "gap" : "resumed";
    if (!this.#members.every(({ outcome }, i) => known[i] !== undefined || outcome !== undefined)) return undefined;
    return known.some((beginning) => beginning?.gap !== undefined) ? "gap" : "resumed";
  }

  take(maxBytes: number): Batch | undefined {
    if (this.isOver || (this.#beginnings !== undefined && !this.#begin(this.#beginnings, maxBytes))) return undefined;
    for (;;) {
      const pending = (this.#pending ??= this.#takeNext(maxBytes));
      if (pending === undefined) return undefined;
      const batch = this.#passOn(pending, maxBytes);
      if (pending.at === pending.segments.length) {
        this.#pending = undefined;
        this.#moveOn(pending.index);
      }
      if (batch !== undefined) return batch;
      // A member that had only its own beginning or end to tell may have more.
    }
  }

  stop(): void {
    for (const member of this.#members) member.stop();
  }

  /** @returns whether it is known how all members begin */
  #begin(beginnings: (Beginning | undefined)[], maxBytes: number): boolean {
    this.#members.forEach((member, i) => {
      beginnings[i] ??= member.beginning(this.#shareOf(maxBytes));
    });
    if (beginnings.some((beginning) => beginning === undefined)) return false;
    this.#beginnings = undefined;
    (beginnings as Beginning[]).forEach(({ from, gap }, i) => {
      // The cursor of the first event has the place where each of the others begins. Where that is behind a gap, it has the
      // place before it: who comes back between the two has yet to be told.
      if (gap === undefined || gap === "skipped") this.#positions[i] = from;
      this.#beginsWithGap ||= gap !== undefined;
    });
    return true;
  }

  /** What the members hold for one client is together no more than a channel's reader holds. */
  #shareOf(maxBytes: number): number {
    return Math.ceil(maxBytes / this.#members.length);
  }

  #takeNext(maxBytes: number): Pending | undefined {
    for (let tried = 0; tried < this.#members.length; tried++) {
      const i = this.#turn++ % this.#members.length;
      const batch = this.#ended.has(i) ? undefined : this.#members[i]?.take(this.#shareOf(maxBytes));
      if (batch !== undefined) return { index: i, batch, segments: batch.segments, at: 0 };
      this.#moveOn(i);
    }
    return undefined;
  }

  /** What a filter has hidden moves the cursor, too. */
  #moveOn(i: number): void {
    this.#positions[i] = this.#members[i]?.position ?? (this.#positions[i] as Position);
  }

  /** As much as one write may take, of events; or something else by itself; or nothing, where it is the member's affair. */
  #passOn(pending: Pending, maxBytes: number): Batch | undefined {
    const { index, batch, segments, at } = pending;
    const from = this.position;
    const segment = segments[at];
    if (segment === undefined) return undefined;
    const hasGap = this.#beginsWithGap;
    if (segment.type === "event") {
      const renamed = this.#renamed(pending, maxBytes, from);
      pending.at += renamed.segments.length;
      this.#positions[index] = renamed.position;
      this.#beginsWithGap = false;
      return new SegmentBatch(renamed.segments, from, batch.isReplay, { bytes: renamed.bytes, hasGap });
    }
    pending.at++;
    this.#positions[index] = segment.position;
    const own = this.#asOwn(index, segment);
    if (own === undefined) return undefined;
    this.#beginsWithGap = false;
    return new SegmentBatch([own], from, batch.isReplay, { hasGap: hasGap || own.type === "gap" });
  }

  #renamed({ index, batch, segments, at }: Pending, maxBytes: number, from: Position): RenamedEvents {
    const key = `${at} ${maxBytes} ${from}`;
    const shared = sharedByBatch.get(batch);
    const known = shared?.key === key ? shared.renamed() : undefined;
    if (known !== undefined) return known;
    const end = segments.findIndex(({ type }, i) => i > at && type !== "event");
    const events = segments.slice(at, end === -1 ? undefined : end) as EventSegment[];
    const cursorOf = (position: Position): string => {
      this.#positions[index] = position;
      return this.position;
    };
    const renamed = underCursors(events, cursorOf, maxBytes);
    sharedByBatch.set(batch, { key, renamed: weakly(renamed) });
    return renamed;
  }

  /** A member's segment with the cursor of all; undefined for what the group has yet to come to. */
  #asOwn(i: number, segment: Exclude<Segment, { readonly type: "event" }>): Segment | undefined {
    const cursor = this.position;
    if (segment.type === "gap") return gapSegment(segment.item.channel, segment.item.reason, cursor, i);
    const isNews = !this.#caughtUp.has(i);
    this.#caughtUp.add(i);
    if (segment.type === "end") this.#ended.add(i);
    if (this.#ended.size === this.#members.length) return endSegment(cursor);
    return isNews && this.#caughtUp.size === this.#members.length ? liveSegment(cursor) : undefined;
  }
}

/**
 * What a group has made of a batch last, and for which cursor: all readers of the same channels who are there share it, as long
 * as somebody has it.
 */
const sharedByBatch = new WeakMap<Batch, { readonly key: string; readonly renamed: () => RenamedEvents | undefined }>();
