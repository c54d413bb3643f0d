import { isBytes, isPlain, isPromise, show, SluiceError, tagOf } from "./errors.ts";
import { ignoreRejection } from "./guard.ts";

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

/** The fields of an event, as they were read. */
export interface Fields {
  readonly event: unknown;
  readonly data: unknown;
  readonly id: unknown;
  readonly retry: unknown;
  readonly comment: unknown;
}

/** Fields that the wire can carry. */
export interface ValidFields extends Fields {
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
  for (const field in event) {
    if (field === "event" || field === "data" || field === "id" || field === "retry" || field === "comment") continue;
    // What is inherited is lost as well, where it is the type of a MessageEvent.
    if ((event as Readonly<Record<string, unknown>>)[field] === undefined) continue;
    if (Object.hasOwn(event, field) || field === "type") throw unknownField(ENCODE, field, event);
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
    if (id.includes("\0")) throw invalid("id", `contains NUL, so clients would ignore it: ${show(id)}`, "remove it");
  }
  if (retry !== undefined && !(typeof retry === "number" && Number.isSafeInteger(retry) && retry >= 0)) {
    throw invalid("retry", `is ${show(retry)}`, "make it a non-negative safe integer of ms");
  }
  if (comment !== undefined && typeof comment !== "string") throw wrongType("comment", "a string", comment);
}

const ENCODE = "Cannot encode event";

/** What other libraries and protocols call a field, in small letters. */
const ALSO_CALLED: ReadonlyMap<string, string> = new Map([
  ...["type", "name", "eventname", "eventtype", "topic"].map((name) => [name, "event"] as const),
  ...["payload", "message", "body", "value", "content", "text", "json"].map((name) => [name, "data"] as const),
  ...["eventid", "lasteventid", "lastid"].map((name) => [name, "id"] as const),
  ...["reconnectiontime", "reconnect", "retryafter", "retryinterval"].map((name) => [name, "retry"] as const),
  ["comments", "comment"],
]);

/** Why a field that exists elsewhere has no place in what is published, and the reverse. */
const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ["id", "the store makes the ids of a channel's events; leave it out"],
  ["retry", "the option retry of eventStream tells clients when to reconnect; leave it out"],
  ["comment", "a channel keeps events, and a comment is not part of one; leave it out"],
  ["key", "only what is published to a channel has a key; leave it out"],
]);

const FIELDS: readonly string[] = ["event", "data", "id", "retry", "comment"];

/** The error for a field that would be lost in silence, with a guess at what was meant. */
export function unknownField(
  action: string,
  field: string,
  event: object,
  fields: readonly string[] = FIELDS,
): SluiceError {
  return new SluiceError(
    "invalid-field",
    `${action}: there is no field ${show(field)}; ${hintFor(field, event, fields)}`,
    {
      field,
    },
  );
}

function hintFor(field: string, event: object, fields: readonly string[]): string {
  if (field === "type" && ("channel" in event || !("data" in event))) {
    const how = fields.includes("id") ? "return the channel, or take { event, data, id }" : "take { event, data, key }";
    return `to pass on what channel.read() gives, ${how} of each item whose type is "event"`;
  }
  if ("lastEventId" in event && "type" in event) return "take { event: type, data, id: lastEventId } of a MessageEvent";
  const plain = field.toLowerCase().replaceAll(/[^a-z]/g, "");
  const meant = ALSO_CALLED.get(plain) ?? plain;
  // What is there already is not what was meant.
  if (fields.includes(meant)) return meant in event ? `the fields are ${fields.join(", ")}` : `did you mean ${meant}?`;
  return ELSEWHERE.get(meant) ?? `the fields are ${fields.join(", ")}`;
}

/** The error for something that is not an event at all, with a guess at what was meant. */
function notAnEvent(value: unknown): SluiceError {
  return new SluiceError(
    "invalid-field",
    `${ENCODE}: ${describe(value, "none of event, data, id, retry and comment is set")}`,
  );
}

/** As {@link notAnEvent}, for what is published. */
export function notPublishable(value: unknown): SluiceError {
  return new SluiceError("invalid-field", `Cannot publish: ${describe(value, "data is not set")}`, { field: "data" });
}

function describe(value: unknown, lack: string): string {
  ignoreRejection(value);
  const remedy = remedyFor(value);
  if (remedy !== undefined || typeof value !== "object" || value === null) {
    return `expected an object, got ${show(value)}; ${remedy ?? DID_YOU_MEAN}`;
  }
  if (!isPlain(value)) return `${lack}, got ${show(value)}; ${DID_YOU_MEAN}`;
  const keys = Object.keys(value);
  // Fields that are there are undefined, or this would not be asked.
  const isField = keys.some((key) => FIELDS.includes(key));
  const got = `an object with ${keys.slice(0, 5).join(", ")}${isField ? ", undefined" : ""}`;
  return `${lack}, got ${keys.length === 0 ? "an empty object" : got}; ${DID_YOU_MEAN}`;
}

const DID_YOU_MEAN = "did you mean { data: … }?";

/** What to do about something that is often taken for an event, or for several. */
function remedyFor(value: unknown): string | undefined {
  if (typeof value === "function") return "call it, and send what it returns";
  if (isPromise(value)) return "await it";
  if (isBytes(value)) return "decode bytes with decodeEventStream first";
  if (typeof value !== "object" || value === null) return undefined;
  if (value instanceof Error) return "throw it, or send an event that says what the client may know of it";
  const tag = tagOf(value);
  if (tag === "Response" || "getReader" in value) return "send each event that decodeEventStream makes of it";
  if (tag === "Map" || (!(Symbol.iterator in value) && !(Symbol.asyncIterator in value))) return undefined;
  return "send its events one by one, as yield* does";
}

function hasLineBreak(text: string): boolean {
  return text.includes("\n") || text.includes("\r");
}

function invalid(field: string, state: string, remedy: string): SluiceError {
  return new SluiceError("invalid-field", `${ENCODE}: ${field} ${state}; ${remedy}`, { field });
}

function wrongType(field: string, wanted: string, value: unknown, how = ""): SluiceError {
  return invalid(field, `is ${show(value)}`, isPromise(value) ? "await it" : `make it ${wanted}${how}`);
}
