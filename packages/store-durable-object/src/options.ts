import { SluiceError } from "@sluice/core";
import type { Retention } from "@sluice/core";
import type { LogLimits } from "./log.ts";
import type { Storage } from "./storage.ts";

/** Options of `durableObjectStore`. */
export interface DurableObjectStoreOptions {
  /** `ctx.storage` of a Durable Object whose class has SQLite storage (`new_sqlite_classes`). */
  readonly storage: Storage;
  /** How much of each channel is kept. Default 1,000 events and 8 MiB, of any age. */
  readonly retention?: Retention | undefined;
  /**
   * A channel that nobody has appended to or watched for so many ms is dropped, when it is next asked for: the store
   * sets no timer, so that its object can sleep. `false`, the default, for never.
   */
  readonly maxIdle?: number | false | undefined;
  /**
   * The most producers that each channel remembers; those that were silent the longest are forgotten, a tenth at a time.
   * Default 1,000.
   */
  readonly maxProducers?: number | undefined;
}

/** Fills in the defaults. @throws {SluiceError} `invalid-option`, with the `option` */
export function resolveOptions(options: DurableObjectStoreOptions): {
  readonly storage: Storage;
  readonly limits: LogLimits;
  readonly maxIdle: number;
} {
  check(options, { storage: isSqlStorage, retention: isObject, maxIdle: isTime, maxProducers: isSize });
  const { storage, retention = {}, maxIdle, maxProducers } = options;
  check(retention, { maxEvents: isSize, maxBytes: isSize, maxAge: isTime });
  // `!=`: an option that is there and undefined has its default, too.
  if (storage == null) throw refuse("storage", "is missing; give it ctx.storage of a Durable Object");
  return {
    storage,
    limits: {
      maxEvents: retention.maxEvents ?? 1000,
      maxBytes: retention.maxBytes ?? 8 * 1024 * 1024,
      maxAge: retention.maxAge || Infinity,
      maxProducers: maxProducers ?? 1000,
    },
    maxIdle: maxIdle || Infinity,
  };
}

/** Says what is wrong with a value; undefined where nothing is. */
type Rule = (value: unknown) => string | undefined;

const isSize: Rule = (value) =>
  Number.isSafeInteger(value) && Number(value) > 0 ? undefined : "is not a positive integer";

const isTime: Rule = (value) =>
  value === false || (typeof value === "number" && value > 0 && value < Infinity)
    ? undefined
    : "is not a positive number of ms, or false";

const isObject: Rule = (value) => (typeof value === "object" && value !== null ? undefined : "is not an object");

const isSqlStorage: Rule = (value) => {
  if (typeof value !== "object" || value === null || !("sql" in value) || !("transactionSync" in value))
    return "is not the storage of a Durable Object";
  try {
    // A getter, which throws where the class has the older key-value storage.
    return value.sql === undefined ? withoutSql : undefined;
  } catch {
    return withoutSql;
  }
};

const withoutSql = "has no SQLite: name the object's class in new_sqlite_classes of a migration";

function check<Options extends object>(options: Options, rules: Readonly<Record<keyof Options, Rule>>): void {
  for (const [option, value] of Object.entries(options)) {
    const rule = rules[option as keyof Options];
    if (!Object.hasOwn(rules, option)) {
      throw refuse(option, `is not an option; the options are ${Object.keys(rules).join(", ")}`);
    }
    const problem = value === undefined ? undefined : rule(value);
    if (problem !== undefined) throw refuse(option, problem);
  }
}

function refuse(option: string, problem: string): SluiceError {
  return new SluiceError("invalid-option", `Cannot create Durable Object store: ${option} ${problem}`, { option });
}
