import { SluiceError, show } from "./errors.ts";

/**
 * One event, with the field names of the wire (HTML Standard, section 9.2.6).
 *
 * Every field is optional, and at least one is needed. Without `data` a client dispatches nothing: an `id` alone moves
 * its last event ID, a `retry` alone sets its reconnection time, a `comment` alone is ignored and keeps the line busy.
 * An `event` without `data` would be lost, and is refused.
 */
export interface ServerSentEvent<Data = unknown> {
  /** The event type that listeners subscribe to; not empty, no CR or LF. Without it the type is `message`. */
  readonly event?: string | undefined;
  /** The payload. CR, LF and CRLF in it all arrive as LF. The empty string is an event with empty data. */
  readonly data?: Data | undefined;
  /** The new last event ID; no CR, LF or NUL. The empty string resets it. */
  readonly id?: string | undefined;
  /** The reconnection time in ms: a non-negative safe integer. */
  readonly retry?: number | undefined;
  /** Text that clients ignore; each line of it becomes a comment line. */
  readonly comment?: string | undefined;
}

/** Names and ids that start so are Sluice's own. */
const RESERVED = "sluice.";

/** The id that says: there is nothing to come back for. */
export const END_ID = "sluice.end";

/** Refuses what only Sluice may send: as a user's, clients would take it for ours. */
export function refuseReserved(field: "event" | "id", value: unknown): void {
  if (typeof value !== "string" || !value.startsWith(RESERVED)) return;
  throw invalid(field, `${show(value)} starts with "${RESERVED}", which is reserved`, "choose another name");
}

/** Makes text of data that is none yet, by the user's function. */
export function serializeData(serialize: (data: unknown) => string, data: unknown): string {
  if (typeof data === "string") return data;
  let text: unknown;
  try {
    text = serialize(data);
  } catch (cause) {
    throw new SluiceError("invalid-field", "Cannot encode event: serialize threw on its data; see the cause", {
      field: "data",
      cause,
    });
  }
  if (typeof text === "string") return text;
  throw invalid("data", `of ${show(data)}: serialize made ${show(text)} of it`, "make serialize return a string");
}

/** The fields of an event, as they were read. */
export interface Fields {
  readonly event: unknown;
  readonly data: unknown;
  readonly id: unknown;
  readonly retry: unknown;
  readonly comment: unknown;
}

interface ValidFields extends Fields {
  readonly event: string | undefined;
  readonly data: string | undefined;
  readonly id: string | undefined;
  readonly retry: number | undefined;
  readonly comment: string | undefined;
}

/** Reads each field once, so that a getter cannot answer differently the second time. */
export function readFields(event: ServerSentEvent): Fields {
  if (typeof event !== "object" || event === null) throw notAnEvent(event);
  const { event: type, data, id, retry, comment } = event;
  if (type === undefined && data === undefined && id === undefined && retry === undefined && comment === undefined) {
    throw notAnEvent(event);
  }
  return { event: type, data, id, retry, comment };
}

/** Refuses what the wire cannot carry. */
export function checkFields(fields: Fields): asserts fields is ValidFields {
  const { event, data, id, retry, comment } = fields;
  if (event !== undefined) {
    if (typeof event !== "string") throw wrongType("event", "a string", event);
    if (event === "") throw invalid("event", "is empty", "leave it out for the default type, message");
    if (hasLineBreak(event)) throw invalid("event", `contains a line break: ${show(event)}`, "remove it");
    if (data === undefined)
      throw invalid("event", `${show(event)} has no data, so no client would dispatch it`, 'add data: ""');
  }
  if (data !== undefined && typeof data !== "string") {
    throw wrongType("data", "a string", data, ", for instance with JSON.stringify");
  }
  if (id !== undefined) {
    if (typeof id !== "string") throw wrongType("id", "a string", id);
    if (hasLineBreak(id)) throw invalid("id", `contains a line break: ${show(id)}`, "remove it");
    if (id.includes("\0")) throw invalid("id", `contains NUL, for which clients ignore it: ${show(id)}`, "remove it");
  }
  if (retry !== undefined && !(typeof retry === "number" && Number.isSafeInteger(retry) && retry >= 0)) {
    throw invalid("retry", `is ${show(retry)}`, "give a non-negative safe integer of ms");
  }
  if (comment !== undefined && typeof comment !== "string") throw wrongType("comment", "a string", comment);
}

/** The error for something that is not an event at all, with a guess at what was meant. */
function notAnEvent(value: unknown): SluiceError {
  if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value) && !Array.isArray(value)) {
    const keys = Object.keys(value).slice(0, 5).join(", ");
    // Fields that are there are undefined, or this would not be asked.
    const isField = Object.keys(value).some((key) => ["event", "data", "id", "retry", "comment"].includes(key));
    const got = keys === "" ? "an empty object" : `an object with ${keys}${isField ? ", undefined" : ""}`;
    return new SluiceError(
      "invalid-field",
      `Cannot encode event: none of event, data, id, retry and comment is set, got ${got}; did you mean { data: … }?`,
    );
  }
  const hint = ArrayBuffer.isView(value) ? "decode bytes with decodeEventStream first" : "did you mean { data: … }?";
  return new SluiceError("invalid-field", `Cannot encode event: expected an object, got ${show(value)}; ${hint}`);
}

function hasLineBreak(text: string): boolean {
  return text.includes("\n") || text.includes("\r");
}

function invalid(field: string, state: string, remedy: string): SluiceError {
  return new SluiceError("invalid-field", `Cannot encode event: ${field} ${state}; ${remedy}`, { field });
}

function wrongType(field: string, wanted: string, value: unknown, how = ""): SluiceError {
  return invalid(field, `is ${show(value)}`, `make it ${wanted}${how}`);
}
