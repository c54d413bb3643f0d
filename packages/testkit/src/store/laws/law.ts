import type { Bench } from "../bench.ts";

/** Shows that a store keeps to one law, or throws: `SkippedLaw` where it cannot be tried. */
export type Law = (bench: Bench) => Promise<void>;

/** Laws by their names. */
export type Laws = Readonly<Record<string, Law>>;
