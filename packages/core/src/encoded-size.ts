import { SluiceError } from "./errors.ts";
import type { ValidFields } from "./event.ts";

/** A limit on the size of an event, in bytes of UTF-8 as it is encoded. */
export interface SizeLimit {
  /** Begins the message, as "Cannot send event". */
  readonly action: string;
  /** The name of the limit. */
  readonly option: string;
  readonly bytes: number;
}

/**
 * Refuses an event that would be too large, before any of it is encoded: every line break brings another field name, so a
 * short text can become a large event.
 *
 * @param key counts as well, though it is not sent; it is short
 * @throws {SluiceError} `too-large`
 */
export function refuseLarge(fields: ValidFields, { action, option, bytes }: SizeLimit, key = ""): void {
  if (!isLarger(fields, bytes, key)) return;
  const problem = `encoded, it is over ${option} (${bytes} bytes)`;
  throw new SluiceError("too-large", `${action}: ${problem}; split it or raise the limit`, { option });
}

/** What one code unit takes at the most: a line break in `data`, and the name of the field that goes on. */
const MOST = "\ndata: ".length;

/** What names, colons and line ends take besides, at the most, and the digits of `retry`. */
const OVERHEAD = 64;

/** Whether the event has more bytes than that, encoded. Stops counting when it has. */
export function isLarger({ event, data, id, retry, comment }: ValidFields, bytes: number, key = ""): boolean {
  const units = (event?.length ?? 0) + (data?.length ?? 0) + (id?.length ?? 0) + (comment?.length ?? 0) + key.length;
  // Most events need not be measured.
  if (units * MOST + OVERHEAD <= bytes) return false;
  let size = utf8.encode(key).length;
  const add = (field: string, value: string | undefined): void => {
    if (value !== undefined) size += `${field}: \n`.length + sizeOf(value, `${field}: `.length, bytes - size);
  };
  add("retry", retry?.toString());
  add("event", event);
  add("id", id);
  add("", comment);
  add("data", data);
  const hasBlankLine = event !== undefined || id !== undefined || data !== undefined;
  return size + (hasBlankLine ? 1 : 0) > bytes;
}

/** The bytes of a text whose every line break brings so many more; where they are over `most`, some number over it. */
function sizeOf(text: string, perBreak: number, most: number): number {
  // No code unit takes less than a byte.
  let size = text.length;
  for (let at = text.indexOf("\n"); at !== -1 && size <= most; at = text.indexOf("\n", at + 1)) {
    // Of CRLF, one is left.
    size += text[at - 1] === "\r" ? perBreak - 1 : perBreak;
  }
  for (let at = text.indexOf("\r"); at !== -1 && size <= most; at = text.indexOf("\r", at + 1)) {
    if (text[at + 1] !== "\n") size += perBreak;
  }
  for (let at = 0; at < text.length && size <= most;) {
    const end =
      at + PIECE < text.length && isHighSurrogate(text.charCodeAt(at + PIECE - 1)) ? at + PIECE - 1 : at + PIECE;
    const { read, written } = utf8.encodeInto(text.slice(at, end), scratch);
    size += written - read;
    at = end;
  }
  return size;
}

const utf8 = new TextEncoder();

/** In code units, of which each takes three bytes at the most. */
const PIECE = 4096;
const scratch = new Uint8Array(PIECE * 3);

/** The first half of a pair, which must stay with the other. */
function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}
