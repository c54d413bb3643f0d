import { aDuration, anObject, aSize, checkOptions } from "./check-options.ts";
import type { Rule } from "./check-options.ts";

/** How much of each channel is kept. What is over a limit goes, oldest first. */
export interface Retention {
  /** Default 1,000. */
  readonly maxEvents?: number | undefined;
  /** In bytes, counted as one for each UTF-16 code unit and 64 for each event. Default 8 MiB. */
  readonly maxBytes?: number | undefined;
  /** In ms; `false` for no limit. Default `false`. */
  readonly maxAge?: number | false | undefined;
}

/** The options that every store has for its logs. */
export interface LogOptions {
  readonly retention?: Retention | undefined;
  /** The most producers that each channel remembers; the one that was silent the longest is forgotten. Default 1,000. */
  readonly maxProducers?: number | undefined;
  /**
   * The most channels of which nothing but that they were closed, and where they ended, is remembered after they have
   * expired; the one that expired first is forgotten. Default 100,000.
   */
  readonly maxClosed?: number | undefined;
}

/** What a store keeps, with every default filled in. */
export interface LogLimits {
  readonly maxEvents: number;
  readonly maxBytes: number;
  /** In ms; Infinity for no limit. */
  readonly maxAge: number;
  readonly maxProducers: number;
  readonly maxClosed: number;
}

/** For the rules of a store's own options. */
export const logRules: Readonly<Record<keyof LogOptions, Rule>> = {
  retention: anObject,
  maxProducers: aSize,
  maxClosed: aSize,
};

const retentionRules: Readonly<Record<keyof Retention, Rule>> = {
  maxEvents: aSize,
  maxBytes: aSize,
  maxAge: aDuration,
};

/**
 * Checks a store's `retention` and fills in the defaults: the same for every store.
 *
 * @param action begins the message of an error, as "Cannot create memory store"
 * @throws {SluiceError} `invalid-option`, with the `option`
 *
 * @example
 * ```ts
 * import { resolveLogLimits } from "@sluice/core";
 *
 * const { maxEvents, maxAge } = resolveLogLimits("Cannot create store", { retention: { maxEvents: 50 } });
 * console.assert(maxEvents === 50 && maxAge === Infinity);
 * ```
 */
export function resolveLogLimits(action: string, { retention = {}, maxProducers, maxClosed }: LogOptions): LogLimits {
  checkOptions(action, retention, retentionRules);
  return {
    maxEvents: retention.maxEvents ?? 1000,
    maxBytes: retention.maxBytes ?? 8 * 1024 * 1024,
    maxAge: retention.maxAge || Infinity,
    maxProducers: maxProducers ?? 1000,
    maxClosed: maxClosed ?? 100_000,
  };
}
