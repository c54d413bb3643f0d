import { isClass, isPlain, isPromise, show, SluiceError } from "./errors.ts";
import { ignoreRejection } from "./guard.ts";

/** What an option takes. An option that is undefined is not asked about. */
export interface Rule {
  readonly allows: (value: unknown) => boolean;
  /** Completes "make it …". */
  readonly wanted: string;
}

/** A positive number of ms, or `false`. */
export const aDuration: Rule = {
  allows: (value) => value === false || (typeof value === "number" && value > 0 && value < Infinity),
  wanted: "a positive number of ms, or false",
};

/** A positive integer. */
export const aSize: Rule = {
  allows: (value) => Number.isSafeInteger(value) && Number(value) > 0,
  wanted: "a positive integer",
};

export const anObject: Rule = {
  allows: (value) => typeof value === "object" && value !== null,
  wanted: "an object",
};

export const aString: Rule = { allows: (value) => typeof value === "string", wanted: "a string" };

export const aBoolean: Rule = { allows: (value) => typeof value === "boolean", wanted: "true or false" };

export const aFunction: Rule = { allows: (value) => typeof value === "function", wanted: "a function" };

export const anAbortSignal: Rule = {
  allows: (value) => typeof value === "object" && value !== null && "aborted" in value && "addEventListener" in value,
  wanted: "an AbortSignal",
};

/**
 * Refuses what no rule allows, and names that have none: for the options of stores and adapters.
 *
 * @param action begins the message, as "Cannot create hub"
 * @throws {SluiceError} `invalid-option`, with the `option`
 *
 * @example
 * ```ts
 * import { aSize, checkOptions, SluiceError } from "@sluice/core";
 *
 * try {
 *   checkOptions("Cannot create store", { maxRows: -1 }, { maxRows: aSize });
 * } catch (error) {
 *   console.assert(error instanceof SluiceError && error.option === "maxRows");
 * }
 * ```
 */
export function checkOptions<Options extends object>(
  action: string,
  options: Options,
  rules: Readonly<Record<keyof Options, Rule>>,
): void {
  const refuse = (option: string, problem: string): SluiceError =>
    new SluiceError("invalid-option", `${action}: ${problem}`, { option });
  const names = Object.keys(rules);
  const refuseAll = (): SluiceError => {
    ignoreRejection(options);
    const remedy = isPromise(options) ? "await it" : `make it an object, such as { ${names[0]}: … }`;
    return refuse("options", `options is ${show(options)}; ${remedy}`);
  };
  const isObject = typeof options === "object" && options !== null && !isPromise(options);
  if (!isObject || Symbol.iterator in options) throw refuseAll();
  const given = Object.keys(options);
  // A signal, or an Error, has no names that could be unknown: it would pass for an object without options.
  if (given.length === 0 && !isPlain(options) && !names.some((name) => name in options)) throw refuseAll();
  for (const name of given) {
    if (names.includes(name)) continue;
    throw isPlain(options) ? refuse(name, `there is no option ${show(name)}; ${suggestion(name, names)}`) : refuseAll();
  }
  for (const name of names as (keyof Options & string)[]) {
    const value = options[name];
    const { allows, wanted } = rules[name];
    if (value === undefined || allows(value)) continue;
    ignoreRejection(value);
    throw refuse(name, `${name} is ${show(value)}; ${insteadOf(value, wanted)}`);
  }
}

function insteadOf(value: unknown, wanted: string): string {
  if (isPromise(value)) return `await it, and make it ${wanted}`;
  if (isClass(value)) return `make it ${wanted}`;
  return typeof value === "function" ? `call it, or make it ${wanted}` : `make it ${wanted}`;
}

function suggestion(wrong: string, names: readonly string[]): string {
  const plain = (name: string): string => name.toLowerCase().replace(/[^a-z]/g, "");
  const near = names.find((name) => plain(name) === plain(wrong));
  return near === undefined ? `the options are ${names.join(", ")}` : `did you mean ${near}?`;
}
