import { isMarked, mark } from "./kinship.ts";
import type { CloseReason } from "./writer.ts";

/**
 * Every `code` a {@link SluiceError} can carry. Codes are stable; messages are for people and may change.
 *
 * | code | when |
 * | --- | --- |
 * | `invalid-field` | an event has a field that the wire cannot carry; `field` names it |
 * | `invalid-option` | an option is unknown or out of range; `option` names it |
 * | `invalid-source` | the source of a stream is not something that can be streamed |
 * | `invalid-state` | a decoder was used after its end, after a failure, or from inside its own callback; something was sent on a connection that is not admitted yet |
 * | `invalid-response` | a response that should be an event stream is not one |
 * | `invalid-data` | `parse` threw on the data of an event; `cause` has its error |
 * | `unfinished` | an event stream ended inside an event, and the option `unfinished` is `"throw"` |
 * | `idle` | no byte of an event stream has come for as long as the option `idle` says |
 * | `too-large` | something is over a limit; `option` names the limit |
 * | `rate-limited` | more was published to a channel than `maxPublishRate` allows; `retryAfter` says how long to wait |
 * | `overflow` | more was sent without waiting than `maxPendingBytes` allows |
 * | `connection-closed` | the connection is over; `reason` says why |
 * | `closed` | the channel is closed: nothing can be appended |
 * | `fenced` | a producer of a lower epoch, after another has taken over |
 * | `sequence` | a producer has left an append out |
 * | `conflict` | the tail is not the one that `ifTail` names |
 * | `unavailable` | the store cannot be reached, or has been closed; what became of an append is unknown |
 */
export type SluiceErrorCode =
  | "invalid-field"
  | "invalid-option"
  | "invalid-source"
  | "invalid-state"
  | "invalid-response"
  | "invalid-data"
  | "unfinished"
  | "idle"
  | "too-large"
  | "rate-limited"
  | "overflow"
  | "connection-closed"
  | "closed"
  | "fenced"
  | "sequence"
  | "conflict"
  | "unavailable";

/** What a {@link SluiceError} is about, beyond its code. */
export interface SluiceErrorDetails extends ErrorOptions {
  /** The field of the event, for `invalid-field`. */
  readonly field?: string;
  /** The option at fault, or the limit that was passed: for `invalid-option`, `too-large`, `rate-limited`, `overflow`, `unfinished` and `idle`. */
  readonly option?: string;
  /** How long to wait, in ms, for `rate-limited`. */
  readonly retryAfter?: number;
  /** Why the connection ended, for `connection-closed` and `overflow`. */
  readonly reason?: CloseReason;
}

/**
 * The one error class of Sluice: `code` says what happened, the message says which value and what to do.
 *
 * @example
 * ```ts
 * import { encodeEvent, SluiceError } from "@sluice/core";
 *
 * try {
 *   encodeEvent({ id: "1\n2", data: "x" });
 * } catch (error) {
 *   if (!(error instanceof SluiceError)) throw error;
 *   console.assert(error.code === "invalid-field" && error.field === "id");
 * }
 * ```
 */
export class SluiceError extends Error {
  static {
    mark(this, "sluice.error");
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return isMarked(value, "sluice.error");
  }

  // What prints an error prints its own properties: only details that there are become some.
  static {
    const inherited = {
      name: "SluiceError",
      field: undefined,
      option: undefined,
      retryAfter: undefined,
      reason: undefined,
    };
    for (const [key, value] of Object.entries(inherited)) {
      Object.defineProperty(this.prototype, key, { value, writable: true, configurable: true });
    }
  }

  declare readonly name: "SluiceError";
  readonly code: SluiceErrorCode;
  declare readonly field: string | undefined;
  declare readonly option: string | undefined;
  declare readonly retryAfter: number | undefined;
  declare readonly reason: CloseReason | undefined;

  constructor(code: SluiceErrorCode, message: string, details: SluiceErrorDetails = {}) {
    super(message, "cause" in details ? { cause: details.cause } : undefined);
    this.code = code;
    const { field, option, retryAfter, reason } = details;
    if (field !== undefined) this.field = field;
    if (option !== undefined) this.option = option;
    if (retryAfter !== undefined) this.retryAfter = retryAfter;
    if (reason !== undefined) this.reason = reason;
  }
}

/** A value as an error message shows it: short, on one line, with its type where that is the point. Never throws. */
export function show(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
    case "bigint":
      return `${value}n`;
    case "function":
      return isClass(value) ? "a class" : "a function";
    case "symbol":
      return "a symbol";
    case "object":
      if (value === null) return "null";
      try {
        return showObject(value);
      } catch {
        return "an object that throws when it is read";
      }
    default:
      return String(value);
  }
}

/** Whether a function can only be called with `new`. */
export function isClass(value: unknown): boolean {
  return typeof value === "function" && /^class\b/.test(Function.prototype.toString.call(value));
}

/** What can be awaited: a promise, of whatever realm or library. */
export function isPromise(value: unknown): boolean {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

export function isBytes(value: unknown): boolean {
  return ArrayBuffer.isView(value) || ["ArrayBuffer", "SharedArrayBuffer"].includes(tagOf(value));
}

/** The name of a value's class: `"Map"`, `"Response"`; `"Object"` for plain objects and for classes that name none. */
export function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice("[object ".length, -1);
}

/** As written by hand: fields of its own, no class. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  // Those of another realm have a prototype that is not ours, and that has none.
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null;
}

const OURS = [
  ["sluice.hub", "a hub"],
  ["sluice.readable", "a channel"],
] as const;

/** Small ones with what is in them, one level deep: options mostly. */
function showObject(value: object): string {
  const ours = OURS.find(([kind]) => isMarked(value, kind));
  if (ours !== undefined) return ours[1];
  if (isPromise(value)) return "a promise";
  if (isBytes(value)) return "bytes";
  if (value instanceof Date && Number.isNaN(value.getTime())) return "an invalid Date";
  if (!Array.isArray(value) && !isPlain(value)) return showClass(value);
  const keys = Object.keys(value);
  if (keys.length === 0 || keys.length > 3) return Array.isArray(value) ? "an array" : "an object";
  // A getter may throw.
  if (keys.some((key) => Object.getOwnPropertyDescriptor(value, key)?.get !== undefined)) return "an object";
  const entries = Object.entries(value).map(([key, entry]: [string, unknown]) => {
    const shown = typeof entry === "object" && entry !== null ? "…" : show(entry);
    return Array.isArray(value) ? shown : `${key}: ${shown}`;
  });
  return Array.isArray(value) ? `[${entries.join(", ")}]` : `{ ${entries.join(", ")} }`;
}

function showClass(value: object): string {
  const tag = tagOf(value);
  const name: unknown = tag === "Object" ? value.constructor.name : tag;
  // Anybody may have chosen it.
  if (typeof name !== "string" || !/^[\w$ .]{1,40}$/.test(name)) return "an object";
  if (tag === "Object") return `an object of class ${name}`;
  return `${/^[AEIO]/.test(name) ? "an" : "a"} ${name}`;
}
