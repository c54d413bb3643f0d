import type { Exchange } from "./connection.ts";
import { show, SluiceError } from "./errors.ts";

/** The media type of event streams. */
const EVENT_STREAM = "text/event-stream";

/** What a client has told of the last event it received. */
export interface Resume {
  /**
   * `fresh`: it named none; `resumed`: it named `lastEventId`; `unknown`: what it named can be no id (too long, control
   * characters, broken encoding), so nothing of it is passed on.
   */
  readonly resume: "fresh" | "resumed" | "unknown";
  /** The id, when `resumed`. Chosen by the client: look it up, trust nothing in it. */
  readonly lastEventId: string | undefined;
}

/**
 * How an Accept header (RFC 9110, section 12.5.1) takes event streams: by name, by a wildcard (also where there is no
 * header), or not at all.
 */
export function acceptance(accept: string | null): "named" | "wildcard" | "none" {
  // What clients of event streams send.
  if (accept === EVENT_STREAM) return "named";
  if (accept === null || accept.trim() === "") return "wildcard";
  const qualities = new Map<string, number>();
  for (const range of accept.split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith("q="));
    const quality = weight === undefined ? 1 : Number(weight.slice(2));
    qualities.set(type, Math.max(qualities.get(type) ?? 0, quality || 0));
  }
  // The most specific range decides, also when it says no.
  for (const range of [EVENT_STREAM, "text/*", "*/*"]) {
    const quality = qualities.get(range);
    if (quality !== undefined) return quality === 0 ? "none" : range === EVENT_STREAM ? "named" : "wildcard";
  }
  return "none";
}

/** What is asked of a request. */
type Asked = Pick<Exchange<unknown>, "headers" | "header" | "url" | "searchParams">;

export function headerOf(exchange: Asked, name: string): string | null {
  return exchange.header === undefined ? exchange.headers.get(name) : exchange.header(name);
}

/** The parameters that clients without headers name it in, without the hyphens and underscores of their spellings. */
const PARAMETERS = ["lasteventid", "evslasteventid"];

function queriedId({ searchParams, url }: Asked): string | null {
  for (const [name, value] of searchParams ?? url.searchParams) {
    if (value !== "" && PARAMETERS.includes(name.replace(/[-_]/g, "").toLowerCase())) return value;
  }
  return null;
}

/**
 * Reads the last event ID: the `Last-Event-ID` header (HTML Standard, section 9.2.3), else the query parameter
 * `lastEventId` in any of its common spellings, for clients that cannot set headers.
 */
export function readLastEventId(exchange: Asked, maxLength: number): Resume {
  const header = headerOf(exchange, "last-event-id");
  const value = header === null || header === "" ? queriedId(exchange) : utf8FromByteString(header);
  if (value === null || value === "") return { resume: "fresh", lastEventId: undefined };
  const id = value === undefined ? undefined : sentOnce(value);
  if (id === undefined || whyUnfit(id, maxLength) !== undefined) return { resume: "unknown", lastEventId: undefined };
  return { resume: "resumed", lastEventId: id };
}

/**
 * Refuses to send an id that `readLastEventId` would not make the same of when it comes back. The empty one never does: it
 * says that there is none.
 *
 * @throws {SluiceError} `invalid-field`
 */
export function checkReturns(id: string, maxLength: number): void {
  const why = id === "" ? undefined : whyUnfit(id, maxLength);
  if (why !== undefined) throw new SluiceError("invalid-field", `Cannot send event: id ${why}`, { field: "id" });
}

/** Why no client could name this as its last event ID, and what to do; undefined where it could. */
function whyUnfit(id: string, maxLength: number): string | undefined {
  if (id.length > maxLength) {
    return `has ${id.length} UTF-16 code units, more than maxLastEventIdLength (${maxLength}); shorten it or raise the limit`;
  }
  // oxlint-disable-next-line no-control-regex
  if (/[\x00-\x1f\x7f]/.test(id)) {
    return `contains a control character, which no header brings back: ${show(id)}; remove it`;
  }
  if (id.startsWith(" ") || id.endsWith(" ")) {
    return `starts or ends with a space, which headers lose: ${show(id)}; remove it`;
  }
  // U+FFFD says that bytes were broken on the way, and is what a lone surrogate becomes.
  if (id.includes("\ufffd") || !id.isWellFormed()) {
    return `contains a lone surrogate or U+FFFD, the mark of broken bytes: ${show(id)}; remove it`;
  }
  if (sentOnce(id) !== id) {
    return `says the same again behind ", ", as one that is sent twice does: ${show(id)}; choose another`;
  }
  return undefined;
}

/** A header that a proxy or a polyfill has sent again with the same value is joined to `"7, 7"`: the value itself. */
function sentOnce(value: string): string {
  for (let at = value.indexOf(", "); at !== -1; at = value.indexOf(", ", at + 1)) {
    const times = (value.length + 2) / (at + 2);
    const once = value.slice(0, at);
    if (Number.isInteger(times) && value === `${once}, `.repeat(times).slice(0, -2)) return once;
  }
  return value;
}

/** What the client is told of its resume in the `Sluice-Resume` header. */
export type ResumeOutcome = "fresh" | "resumed" | "gap";

/** Made once where the headers are the same for all: nobody changes them. */
const withOutcomes = new WeakMap<Headers, Partial<Record<ResumeOutcome, Headers>>>();

/** The headers of a channel's stream. */
export function withOutcome(headers: Headers, resumed: ResumeOutcome): Headers {
  const known = withOutcomes.get(headers) ?? {};
  withOutcomes.set(headers, known);
  known[resumed] ??= withHeader(headers, "Sluice-Resume", resumed);
  return known[resumed];
}

function withHeader(headers: Headers, name: string, value: string): Headers {
  const more = new Headers(headers);
  more.set(name, value);
  return more;
}

/** The headers of every stream: ours, then the user's over them. */
export function responseHeaders(custom: Headers | undefined): Headers {
  const headers = new Headers({
    "Content-Type": `${EVENT_STREAM}; charset=utf-8`,
    // no-transform: a compressing middleware or proxy would hold events back.
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
    // RFC 10036: what stands between must pass on each part as it comes.
    Incremental: "?1",
  });
  if (custom !== undefined) setAll(headers, custom);
  return headers;
}

/** Sets headers over others, and cookies beside them. */
export function setAll(headers: Headers, more: Headers): void {
  more.forEach((value, name) => {
    if (name === "set-cookie") headers.append(name, value);
    else headers.set(name, value);
  });
}

/**
 * Clients send the id as UTF-8, and platforms show each byte of a header as one character.
 *
 * @returns undefined where the bytes are not UTF-8
 */
function utf8FromByteString(value: string): string | undefined {
  // oxlint-disable-next-line no-control-regex
  if (/^[\x00-\x7f]*$/.test(value) || /[^\x00-\xff]/.test(value)) return value;
  try {
    const bytes = Uint8Array.from(value, (character) => character.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
