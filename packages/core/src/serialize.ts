import { isBytes, isClass, isPlain, isPromise, show, SluiceError, tagOf } from "./errors.ts";
import { ignoreRejection } from "./guard.ts";

/** What makes text of data where no `serialize` is set. */
export const defaultSerialize: (data: unknown) => string = JSON.stringify;

/**
 * Makes text of an event's data, if it is not text already.
 *
 * JSON makes `{}` of a promise, a Map or an Error: without a `serialize` of the user's own, such data is refused rather than
 * lost. A promise always is.
 *
 * @throws {SluiceError} `invalid-field`
 */
export function serializeData(serialize: (data: unknown) => string, data: unknown): string {
  if (typeof data === "string") return data;
  return serialize === defaultSerialize ? toJson(data) : serializeWith(serialize, data);
}

function serializeWith(serialize: (data: unknown) => unknown, data: unknown): string {
  let text: unknown;
  try {
    if (isPromise(data)) {
      ignoreRejection(data);
      throw refused("data", data, PROMISE);
    }
    text = serialize(data);
  } catch (cause) {
    throw cause instanceof SluiceError ? cause : invalid("serialize threw on data; see the cause", cause);
  }
  if (typeof text === "string") return text;
  ignoreRejection(text);
  throw invalid(`serialize returned ${show(text)} for data, which is ${show(data)}; make it return a string`);
}

function toJson(data: unknown): string {
  let text: string | undefined;
  try {
    const remedy = remedyFor(data);
    if (remedy !== undefined) throw refused("data", data, remedy);
    text = JSON.stringify(data) as string | undefined;
    // What is lost leaves this behind: where it is not, there is nothing to look for.
    if (text?.includes("{}") === true) refuseLost("data", data as object);
  } catch (cause) {
    ignoreRejection(data);
    throw cause instanceof SluiceError ? cause : invalid(`data cannot become JSON: ${whyNot(cause)}`, cause);
  }
  if (text !== undefined) return text;
  throw invalid("toJSON() of data returned something that JSON does not have; make it return what can be sent");
}

/** How deep data is searched for what JSON has lost. */
const DEPTH = 8;

/** Objects that JSON makes anything but `{}` of, though they have no fields of their own. */
const BOXED = ["String", "Number", "Boolean"];

/** @throws {SluiceError} for an object of which JSON has made `{}`, though it is more than a plain object without fields */
function refuseLost(path: string, value: object, depth = 0): void {
  if ("toJSON" in value && typeof value.toJSON === "function") return;
  const entries: [string, unknown][] = Object.entries(value);
  if (entries.length === 0 && !Array.isArray(value) && !isPlain(value) && !BOXED.includes(tagOf(value))) {
    throw refused(path, value, remedyFor(value) ?? LOST);
  }
  if (depth === DEPTH) return;
  for (const [key, entry] of entries) {
    if (typeof entry !== "object" || entry === null) continue;
    refuseLost(pathTo(path, key), entry, depth + 1);
  }
}

function pathTo(path: string, key: string): string {
  if (/^[a-z_$][\w$]{0,40}$/i.test(key)) return `${path}.${key}`;
  return /^\d+$/.test(key) ? `${path}[${key}]` : `${path}[${show(key)}]`;
}

const LOST = "send a plain object, give it toJSON(), or set serialize: JSON makes {} of it";
const PROMISE = "await it";

/** What to do about data of which JSON loses what matters; `undefined` for data that it can carry. */
function remedyFor(data: unknown): string | undefined {
  switch (typeof data) {
    case "object":
      return data === null ? undefined : remedyForObject(data);
    case "function":
      return isClass(data) ? "send an object" : "call it, and send what it returns";
    case "symbol":
      return "send its description";
    case "bigint":
      return "send String(value): JSON has no bigints";
    case "number":
      return Number.isFinite(data) ? undefined : "send a finite number or null: JSON makes null of it";
    default:
      return undefined;
  }
}

function remedyForObject(data: object): string | undefined {
  if (isPromise(data)) return PROMISE;
  if (Array.isArray(data) || isPlain(data)) return undefined;
  if (isBytes(data)) return "encode them as text, for instance base64, or make an array of them";
  if (data instanceof Date && Number.isNaN(data.getTime())) return "send a valid one or null";
  if ("toJSON" in data && typeof data.toJSON === "function") return undefined;
  if (data instanceof Error) return "send error.message, or what else the client may know of it";
  const remedy = REMEDIES.get(tagOf(data));
  if (remedy !== undefined) return remedy;
  if ("getReader" in data || "pipe" in data) return "read it, and send what it gives";
  if (Symbol.asyncIterator in data) return "send an event for each of its items";
  return undefined;
}

const REMEDIES: ReadonlyMap<string, string> = new Map([
  ["Map", "send Object.fromEntries(map), or an array of its entries"],
  ["Set", "send Array.from(set)"],
  ["Headers", "send Object.fromEntries(headers)"],
  ["URLSearchParams", "send String(params), or Object.fromEntries(params)"],
  ["FormData", "send Object.fromEntries(form)"],
  ["Request", "send what await request.json() or .text() gives"],
  ["Response", "send what await response.json() or .text() gives"],
  ["Blob", "send what await blob.text() gives"],
  ["File", "send what await file.text() gives"],
  ["Error", "send error.message, or what else the client may know of it"],
]);

/** What `JSON.stringify` complains of, in one line, whatever the engine. */
function whyNot(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : "";
  if (/bigint/i.test(message)) return "it contains a bigint; make a string or a number of it";
  if (/circular|cyclic/i.test(message)) return "it contains itself; send what the client needs of it";
  return "reading it threw; see the cause";
}

function refused(path: string, value: unknown, remedy: string): SluiceError {
  return invalid(`${path} is ${show(value)}; ${remedy}`);
}

function invalid(problem: string, ...cause: unknown[]): SluiceError {
  return new SluiceError("invalid-field", `Cannot encode event: ${problem}`, {
    field: "data",
    ...(cause.length > 0 && { cause: cause[0] }),
  });
}
