import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** What one run of `adapterSuite` has shown of a platform. */
export interface CompatibilityReport {
  /** What the table calls it, such as `Express 5`. */
  readonly platform: string;
  /** What the server runs on, such as `Node.js/24.21.0`. */
  readonly runtime: string;
  /** All that was asked of it, in order. */
  readonly behaviours: readonly ShownBehaviour[];
}

/** One behaviour of one platform. */
export interface ShownBehaviour {
  readonly topic: string;
  readonly name: string;
  /** `exception`: it was shown that the platform does not have it, as was declared. */
  readonly outcome: "passed" | "exception" | "failed";
  /** Of an exception: why, with a link. */
  readonly reason?: string;
  /** Of an exception: something was shown to hold in its place. */
  readonly hasSubstitute?: boolean;
}

/**
 * Writes a report into the folder that `SLUICE_COMPATIBILITY` names, for the table of compatibility; nowhere without it.
 * A second report of one platform in a folder is an error: two suites have the same name.
 */
export async function writeReport(report: CompatibilityReport): Promise<void> {
  const folder = process.env["SLUICE_COMPATIBILITY"];
  if (folder === undefined || folder === "") return;
  await mkdir(folder, { recursive: true });
  const file = `${report.platform.replace(/[^A-Za-z0-9]+/g, "-").toLowerCase()}.json`;
  await writeFile(join(folder, file), `${JSON.stringify(report, undefined, 2)}\n`, { flag: "wx" });
}
