import { formatCompositeCursor } from "./composite-cursor.ts";
import type { Position } from "./event-store.ts";
import type { Reading } from "./reader.ts";
import { endSegment, gapSegment, liveSegment, SegmentBatch, withId } from "./segment.ts";
import type { Batch, Segment } from "./segment.ts";

/**
 * Several readers as one: what each of them has, in turn, with the cursor of all as its id. It is live when all of them
 * are, and at its end when all are.
 */
export class GroupReader implements Reading {
  onReady: () => void = () => {};

  readonly #keys: readonly string[];
  readonly #members: readonly Reading[];
  readonly #positions: Position[];
  /** What each had to say first, until all have; the client is told how the resume went, and that is the resume of all. */
  #first: (Batch | undefined)[] | undefined;
  /** Who has told all that was stored: live, or at the end. */
  readonly #caughtUp = new Set<number>();
  readonly #ended = new Set<number>();
  #turn = 0;

  /**
   * @param keys of the members, as they appear in cursors
   * @param positions where each has been told to begin, as far as that is known
   */
  constructor(keys: readonly string[], members: readonly Reading[], positions: readonly (Position | undefined)[]) {
    this.#keys = keys;
    this.#members = members;
    this.#positions = positions.map((position) => position ?? "origin");
    this.#first = members.map(() => undefined);
    for (const member of members) member.onReady = () => this.onReady();
  }

  get position(): string {
    return formatCompositeCursor(this.#keys, this.#positions);
  }

  get lag(): number {
    return this.#members.reduce((lag, member) => lag + member.lag, 0);
  }

  get isBehind(): boolean {
    return this.#members.some((member) => member.isBehind);
  }

  get isOver(): boolean {
    return this.#members.some((member) => member.isOver);
  }

  get outcome(): Reading["outcome"] {
    const firsts = this.#first ?? [];
    if (!this.#members.every(({ outcome }, i) => firsts[i] !== undefined || outcome !== undefined)) return undefined;
    return firsts.some((batch) => batch?.hasGap) ? "gap" : "resumed";
  }

  take(maxBytes: number): Batch | undefined {
    if (this.isOver) return undefined;
    if (this.#first !== undefined) return this.#takeFirst(this.#first, maxBytes);
    for (let tried = 0; tried < this.#members.length; tried++) {
      const i = this.#turn++ % this.#members.length;
      const batch = this.#ended.has(i) ? undefined : this.#members[i]?.take(maxBytes);
      const segments = batch === undefined ? [] : this.#asOwn(i, batch);
      this.#moveOn(i);
      if (segments.length > 0) return new SegmentBatch(segments, this.position, batch?.isReplay);
      // A member that had only its own beginning or end to tell may have more.
      if (batch !== undefined) tried = -1;
    }
    return undefined;
  }

  stop(): void {
    for (const member of this.#members) member.stop();
  }

  #takeFirst(first: (Batch | undefined)[], maxBytes: number): Batch | undefined {
    this.#members.forEach((member, i) => {
      first[i] ??= member.take(maxBytes);
    });
    if (first.some((batch) => batch === undefined)) return undefined;
    this.#first = undefined;
    const batches = first as Batch[];
    // The cursor of the first event has the place where each of the others begins. Where that is behind a gap, it has the
    // place before it: who comes back between the two has yet to be told.
    batches.forEach(({ from, segments }, i) => {
      const [begins] = segments;
      if (begins?.type !== "gap" || begins.item.reason === "skipped") this.#positions[i] = from;
    });
    const segments = batches.flatMap((batch, i) => this.#asOwn(i, batch));
    this.#members.forEach((_, i) => this.#moveOn(i));
    const isReplay = batches.some((batch) => batch.isReplay);
    return segments.length > 0 ? new SegmentBatch(segments, this.position, isReplay) : this.take(maxBytes);
  }

  /** What a filter has hidden moves the cursor, too. */
  #moveOn(i: number): void {
    this.#positions[i] = this.#members[i]?.position ?? (this.#positions[i] as Position);
  }

  /** A member's segments with the cursor of all. */
  #asOwn(i: number, { segments }: Batch): Segment[] {
    const own: Segment[] = [];
    for (const segment of segments) {
      this.#positions[i] = segment.position;
      const cursor = this.position;
      if (segment.type === "event") {
        own.push(withId(segment, cursor));
        continue;
      }
      if (segment.type === "gap") {
        own.push(gapSegment(segment.item.channel, segment.item.reason, cursor, i));
        continue;
      }
      const isNews = !this.#caughtUp.has(i);
      this.#caughtUp.add(i);
      if (segment.type === "end") this.#ended.add(i);
      if (this.#ended.size === this.#members.length) own.push(endSegment(cursor));
      else if (isNews && this.#caughtUp.size === this.#members.length) own.push(liveSegment(cursor));
    }
    return own;
  }
}
