import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import bundled, { inflate } from "@sparticuz/chromium";
import { chromium } from "playwright-core";
import type { Browser } from "playwright-core";

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

const SYSTEM = "/usr/bin/chromium";

/** A real Chromium, and what takes it away again. */
export interface Launched {
  readonly browser: Browser;
  close(): Promise<void>;
}

/**
 * Launches the Chromium that npm ships: as it is, then with the system libraries that it brings for bare machines; then
 * the system's own.
 *
 * @throws the reasons, where none of them starts
 */
export async function launchBrowser(): Promise<Launched> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-chromium-"));
  const failures: unknown[] = [];
  for (const prepare of [unpackChromium, unpackLibraries, findSystemChromium]) {
    try {
      const { executablePath, env } = await prepare(folder);
      // Not `bundled.args`: they switch web security off, and one process for all makes closing a page the end.
      const browser = await chromium.launch({ executablePath, env, args: ARGUMENTS, headless: true });
      return {
        browser,
        async close() {
          await browser.close();
          await rm(folder, { recursive: true, force: true });
        },
      };
    } catch (error) {
      failures.push(error);
    }
  }
  await rm(folder, { recursive: true, force: true });
  throw new AggregateError(
    failures,
    `No Chromium starts here: ${failures.map((failure) => String(failure)).join("; ")}`,
  );
}

interface Prepared {
  readonly executablePath: string;
  readonly env: Record<string, string>;
}

/** In a folder of its own: in the shared one, a second test that starts now would find a file that is half there. */
async function unpackChromium(folder: string): Promise<Prepared> {
  return { executablePath: await within(folder, () => bundled.executablePath()), env: environment() };
}

async function unpackLibraries(folder: string): Promise<Prepared> {
  const bin = join(dirname(fileURLToPath(import.meta.resolve("@sparticuz/chromium"))), "../bin");
  const libraries = await within(folder, () => inflate(join(bin, "al2023.tar.br")));
  return {
    executablePath: join(folder, "chromium"),
    env: { ...environment(), LD_LIBRARY_PATH: join(libraries, "lib") },
  };
}

async function findSystemChromium(): Promise<Prepared> {
  if (!existsSync(SYSTEM)) throw new Error(`there is no ${SYSTEM} (apt-get install chromium)`);
  return { executablePath: SYSTEM, env: environment() };
}

/** The package unpacks to wherever the temporary files are, and asks each time. */
async function within<T>(folder: string, unpack: () => Promise<T>): Promise<T> {
  const before = process.env["TMPDIR"];
  process.env["TMPDIR"] = folder;
  try {
    return await unpack();
  } finally {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
  }
}

function environment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
