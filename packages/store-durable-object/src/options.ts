import { aDuration, checkOptions, logRules, resolveLogLimits, SluiceError } from "@sluice/core";
import type { LogLimits, LogOptions, Rule } from "@sluice/core";
import type { Storage } from "./storage.ts";

/** Options of `durableObjectStore`. */
export interface DurableObjectStoreOptions extends LogOptions {
  /** `ctx.storage` of a Durable Object whose class has SQLite storage (`new_sqlite_classes`). */
  readonly storage: Storage;
  /**
   * A channel that nobody has appended to or watched for so many ms is dropped, when it is next asked for: the store
   * sets no timer, so that its object can sleep. `false`, the default, for never. One that was closed loses its events, and
   * is remembered as closed: see `maxClosed`.
   */
  readonly maxIdle?: number | false | undefined;
}

/** Fills in the defaults. @throws {SluiceError} `invalid-option`, with the `option` */
export function resolveOptions(options: DurableObjectStoreOptions): {
  readonly storage: Storage;
  readonly limits: LogLimits;
  readonly maxIdle: number;
} {
  checkOptions(ACTION, options, { ...logRules, storage: sqlStorage, maxIdle: aDuration });
  const { storage, maxIdle } = options;
  // An option that is undefined has its default, and this one has none.
  if (storage === undefined) {
    const message = `${ACTION}: storage is missing; give it ctx.storage of a Durable Object`;
    throw new SluiceError("invalid-option", message, { option: "storage" });
  }
  return { storage, limits: resolveLogLimits(ACTION, options), maxIdle: maxIdle || Infinity };
}

const ACTION = "Cannot create Durable Object store";

const sqlStorage: Rule = {
  allows(value) {
    if (typeof value !== "object" || value === null || !("sql" in value) || !("transactionSync" in value)) return false;
    try {
      // A getter, which throws where the class has the older key-value storage.
      return value.sql !== undefined;
    } catch {
      return false;
    }
  },
  wanted: "the storage of a Durable Object with SQLite: name its class in new_sqlite_classes of a migration",
};
