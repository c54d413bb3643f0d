import type { Cursor, EventId, GapReason, Position } from "./event-store.ts";

/** What an event id consists of. */
export interface EventIdParts {
  /** The incarnation of the channel: 1 to 24 of `[a-z0-9]`. */
  readonly epoch: string;
  /** The number of the event in its log, from 1. */
  readonly seq: number;
  /** Of the append that wrote it: 4 of `[a-z0-9]`. */
  readonly tag: string;
}

/** Of a tag, in characters of one byte. */
export const TAG_LENGTH = 4;

/**
 * Writes an event id, `<epoch>.<len><seq><tag>`: `len` is a letter for the number of digits, so that ids of one epoch sort
 * as strings as their numbers do.
 *
 * @example
 * ```ts
 * import { formatEventId, parseEventId } from "@sluice/core";
 *
 * const id = formatEventId({ epoch: "k3", seq: 12, tag: "x7ab" });
 * console.assert(id === "k3.b12x7ab" && parseEventId(id)?.seq === 12);
 * ```
 */
export function formatEventId({ epoch, seq, tag }: EventIdParts): EventId {
  const digits = String(seq);
  return `${epoch}.${String.fromCharCode(96 + digits.length)}${digits}${tag}`;
}

/** Reads an event id; undefined if malformed. */
export function parseEventId(id: string): EventIdParts | undefined {
  if (!isEventId(id)) return undefined;
  const digitsAt = id.indexOf(".") + 2;
  const tagAt = id.length - TAG_LENGTH;
  return { epoch: id.slice(0, digitsAt - 2), seq: Number(id.slice(digitsAt, tagAt)), tag: id.slice(tagAt) };
}

/** Whether a string has the form of an event id. A loop over it, since this is asked of every event that a store returns. */
export function isEventId(id: string): boolean {
  const dot = id.length > LONGEST_ID ? -1 : id.indexOf(".");
  if (dot < 1 || dot > 24) return false;
  const digitsAt = dot + 2;
  const tagAt = id.length - TAG_LENGTH;
  const count = id.charCodeAt(dot + 1) - 96;
  if (count < 1 || count > 16 || tagAt - digitsAt !== count || id.charCodeAt(digitsAt) === ZERO) return false;
  for (let i = 0; i < dot; i++) if (!isAlphanumeric(id.charCodeAt(i))) return false;
  for (let i = digitsAt; i < tagAt; i++) if (!isDigit(id.charCodeAt(i))) return false;
  for (let i = tagAt; i < id.length; i++) if (!isAlphanumeric(id.charCodeAt(i))) return false;
  return count < 16 || Number.isSafeInteger(Number(id.slice(digitsAt, tagAt)));
}

/** An epoch of 24, a dot, `len`, 16 digits and a tag. */
const LONGEST_ID = 46;
const ZERO = 48;

function isDigit(code: number): boolean {
  return code >= ZERO && code < ZERO + 10;
}

function isAlphanumeric(code: number): boolean {
  return (code >= 97 && code <= 122) || isDigit(code);
}

/** Where a reader without a cursor begins: at the newest, at the oldest that is retained, or so many events back. */
export type Start = Cursor | { readonly last: number };

/** Whether a string is a position in some log. */
export function isPosition(value: string): boolean {
  return value === "origin" || isEventId(value);
}

/** Whether a string names a place to begin at. */
export function isCursor(value: string): boolean {
  return value === "tail" || value === "start" || isPosition(value);
}

/** Whether a value is a `{ last }` with a positive integer. */
export function isLast(value: unknown): boolean {
  if (typeof value !== "object" || value === null || !("last" in value)) return false;
  return Number.isSafeInteger(value.last) && Number(value.last) > 0;
}

/** An event of a log, by its number and tag. Number 0 is the place before the first event, and has no tag. */
export interface LogMark {
  readonly seq: number;
  readonly tag: string;
}

/** The ends of a log, as a store knows them. */
export interface LogBounds {
  readonly epoch: string;
  /** The last event that retention has removed; number 0 where it has removed none. */
  readonly trimmed: LogMark;
  /** The last event. */
  readonly tail: LogMark;
}

/** Where a read begins: behind `mark`; with a `gap` where that does not continue the cursor. */
export interface ResolvedCursor {
  readonly mark: LogMark;
  readonly gap: GapReason | undefined;
}

/**
 * Decides what a cursor means: the one function behind every read and every resume, of every store.
 *
 * | the cursor | is read as |
 * | --- | --- |
 * | is no id | `unknown` |
 * | is of another epoch, or beyond the tail, or has another tag than the event of its number | `reset` |
 * | is before the last event that was removed | `truncated` |
 * | is the last event that was removed, or any later one | itself |
 *
 * A gap begins at the first retained event.
 *
 * @param bounds undefined for a channel that has no log
 * @param tagAt the tag of a retained event; called at most once
 *
 * @example
 * ```ts
 * import { resolveCursor } from "@sluice/core";
 *
 * const bounds = { epoch: "e1", trimmed: { seq: 2, tag: "aaaa" }, tail: { seq: 5, tag: "bbbb" } };
 * console.assert(resolveCursor("e1.a1aaaa", bounds, () => undefined).gap === "truncated");
 * console.assert(resolveCursor("e1.a4cccc", bounds, () => "bbbb").gap === "reset");
 * console.assert(resolveCursor("e1.a4bbbb", bounds, () => "bbbb").mark.seq === 4);
 * ```
 */
export function resolveCursor(
  cursor: Cursor,
  bounds: LogBounds | undefined,
  tagAt: (seq: number) => string | undefined,
): ResolvedCursor {
  const start = bounds?.trimmed ?? ORIGIN;
  const on = (mark: LogMark): ResolvedCursor => ({ mark, gap: undefined });
  const gap = (reason: GapReason): ResolvedCursor => ({ mark: start, gap: reason });

  if (cursor === "tail") return on(bounds?.tail ?? ORIGIN);
  if (cursor === "start") return on(start);
  if (cursor === "origin") return start.seq === 0 ? on(ORIGIN) : gap("truncated");
  const id = parseEventId(cursor);
  if (id === undefined) return gap("unknown");
  if (bounds === undefined || id.epoch !== bounds.epoch || id.seq > bounds.tail.seq) return gap("reset");
  if (id.seq < start.seq) return gap("truncated");
  const tag = id.seq === start.seq ? start.tag : id.seq === bounds.tail.seq ? bounds.tail.tag : tagAt(id.seq);
  return tag === id.tag ? on(id) : gap("reset");
}

/** The position behind an event of a log; `"origin"` for number 0. */
export function positionOf(epoch: string, { seq, tag }: LogMark): Position {
  return seq === 0 ? "origin" : formatEventId({ epoch, seq, tag });
}

/** The place before the first event of a log. */
export const ORIGIN: LogMark = { seq: 0, tag: "" };

/** A random epoch: 60 bits. Drawn by itself: two processes that are started from one image would share a block. */
export function randomEpoch(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  let epoch = "";
  for (const byte of bytes) epoch += letterOf(byte);
  return epoch;
}

/** A random tag for one append: 20 bits, enough to tell two writers of the same number apart. */
export function randomTag(): string {
  if (drawn === undefined || used + TAG_LENGTH > drawn.length) {
    drawn = crypto.getRandomValues(drawn ?? new Uint8Array(RANDOM_BLOCK));
    used = 0;
  }
  let tag = "";
  for (let i = 0; i < TAG_LENGTH; i++) tag += letterOf(drawn[used++] as number);
  return tag;
}

/** In bytes. A draw costs several times as much as all else that an append does, whatever the number of bytes. */
const RANDOM_BLOCK = 4096;

/** Not before the first append: Workers draw nothing random while a module is loaded. */
let drawn: Uint8Array<ArrayBuffer> | undefined = undefined;
let used = 0;

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

function letterOf(byte: number): string {
  return ALPHABET.charAt(byte & 31);
}
