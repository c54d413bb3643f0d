import { SluiceError, show } from "./errors.ts";
import { ignoreRejection } from "./guard.ts";
import { eventSegment, gapSegment } from "./segment.ts";
import type { ChannelEvent, EventSegment, Segment } from "./segment.ts";

/** What a reader sees of its channel, where that is not all. */
export interface LensOptions {
  /** Whether the reader may see an event. */
  readonly filter?: ((event: ChannelEvent) => boolean) | undefined;
  /** What the reader sees in an event's place. */
  readonly map?: ((event: ChannelEvent) => SeenEvent) | undefined;
  /** Of events with one key that wait together, only the newest is seen. */
  readonly coalesce: boolean;
  /** Told what `filter` and `map` threw. */
  readonly onError: (error: unknown) => void;
}

/** An event as a map has left it, its data a string. */
export interface SeenEvent {
  readonly event?: string | undefined;
  readonly data: string;
}

/** What a lens has made of segments that wait. */
export interface Seen {
  readonly segments: readonly Segment[];
  /** How many of the waiting segments these stand for: the rest did not fit. */
  readonly consumed: number;
}

/**
 * Hides, changes and thins out events for one reader. A hidden event moves the reader on as any other. An event whose
 * filter or map fails is not seen, as nobody has allowed it; a gap says so.
 */
export class Lens {
  readonly #options: LensOptions;

  constructor(options: LensOptions) {
    this.#options = options;
  }

  /**
   * Looks at segments that wait.
   *
   * @param maxBytes about so many bytes are to be seen, and at least one segment
   * @param later what follows the segments, as far as it is at hand
   */
  look(waiting: readonly Segment[], maxBytes: number, later: () => readonly Segment[]): Seen {
    // What comes after the end is of another log, and for other readers.
    const own = upToEnd(waiting);
    const overtaken = this.#options.coalesce ? this.#overtaken(own, later) : undefined;
    const segments: Segment[] = [];
    let bytes = 0;
    let consumed = 0;
    for (const segment of own) {
      const seen = overtaken?.has(segment) === true ? undefined : this.#through(segment);
      if (seen !== undefined) {
        bytes += seen.bytes.length;
        if (segments.length > 0 && bytes > maxBytes) break;
        segments.push(seen);
      }
      consumed++;
    }
    return { segments, consumed };
  }

  /** Those after which comes an event of the same key that this reader sees. */
  #overtaken(waiting: readonly Segment[], later: () => readonly Segment[]): ReadonlySet<Segment> {
    const keys = new Set<string>();
    const overtaken = new Set<Segment>();
    if (!waiting.some(({ key }) => key !== undefined)) return overtaken;
    const isLast = waiting.at(-1)?.type === "end";
    for (const segments of [isLast ? [] : upToEnd(later()), waiting]) {
      for (let i = segments.length - 1; i >= 0; i--) {
        const segment = segments[i] as Segment;
        if (segment.type !== "event" || segment.key === undefined) continue;
        if (keys.has(segment.key)) overtaken.add(segment);
        else if (this.#judge(segment).shows === true) keys.add(segment.key);
      }
    }
    return overtaken;
  }

  #through(segment: Segment): Segment | undefined {
    if (segment.type !== "event") return segment;
    const { shows, error } = this.#judge(segment);
    if (shows === false) return undefined;
    if (shows === true) return this.#mapped(segment);
    this.#options.onError(error);
    return gapSegment(segment.item.channel, "skipped", segment.position);
  }

  /** An error where the filter cannot tell. */
  #judge(segment: EventSegment): { readonly shows?: boolean; readonly error?: unknown } {
    const { filter } = this.#options;
    if (filter === undefined) return SHOWN;
    try {
      const shows: unknown = filter(segment.item);
      if (typeof shows === "boolean") return shows ? SHOWN : HIDDEN;
      // A promise would be true, whatever it comes to.
      return { error: notBoolean(shows) };
    } catch (error) {
      return { error };
    }
  }

  #mapped(segment: EventSegment): Segment {
    const { map, onError } = this.#options;
    if (map === undefined) return segment;
    const { item, position } = segment;
    try {
      const { event, data } = map(item);
      if (event === item.event && data === item.data) return segment;
      const { event: _, ...rest } = item;
      return eventSegment({ ...rest, ...(event !== undefined && { event }), data });
    } catch (error) {
      onError(error);
      return gapSegment(item.channel, "skipped", position);
    }
  }
}

const SHOWN = { shows: true };
const HIDDEN = { shows: false };

function upToEnd(segments: readonly Segment[]): readonly Segment[] {
  const end = segments.findIndex(({ type }) => type === "end");
  return end === -1 || end === segments.length - 1 ? segments : segments.slice(0, end + 1);
}

function notBoolean(value: unknown): SluiceError {
  ignoreRejection(value);
  return new SluiceError(
    "invalid-option",
    `Cannot filter event: filter returned ${show(value)}; make it true or false, at once`,
    { option: "filter" },
  );
}
