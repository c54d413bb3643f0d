import type { Exchange } from "./connection.ts";

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
type Asked = Pick<Exchange<unknown>, "headers" | "header" | "url" | "query">;

export function headerOf(exchange: Asked, name: string): string | null {
  return exchange.header === undefined ? exchange.headers.get(name) : exchange.header(name);
}

function queryOf(exchange: Asked, name: string): string | null {
  return exchange.query === undefined ? exchange.url.searchParams.get(name) : exchange.query(name);
}

/**
 * Reads the last event ID: the `Last-Event-ID` header (HTML Standard, section 9.2.3), else the query parameter
 * `lastEventId`, for clients that cannot set headers.
 */
export function readLastEventId(exchange: Asked, maxLength: number): Resume {
  const header = headerOf(exchange, "last-event-id");
  const value = header === null || header === "" ? queryOf(exchange, "lastEventId") : utf8FromByteString(header);
  if (value === null || value === "") return { resume: "fresh", lastEventId: undefined };
  if (value === undefined || value.length > maxLength || isUnfit(value)) {
    return { resume: "unknown", lastEventId: undefined };
  }
  return { resume: "resumed", lastEventId: value };
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
  });
  custom?.forEach((value, name) => {
    if (name === "set-cookie") headers.append(name, value);
    else headers.set(name, value);
  });
  return headers;
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

/** Control characters have no place in an id; U+FFFD says that its bytes were broken on the way. */
function isUnfit(value: string): boolean {
  // oxlint-disable-next-line no-control-regex
  return /[\x00-\x1f\x7f\ufffd]/.test(value) || !value.isWellFormed();
}
