import { existsSync } from "node:fs";
import bundled from "@sparticuz/chromium";
import { chromium } from "playwright-core";
import type { Browser } from "playwright-core";

/** The Chromium that npm ships needs no root and no download of its own; a system's is taken where that does not start. */
const SYSTEM = ["/usr/bin/chromium", "/usr/bin/google-chrome"];

const QUIET = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts a real Chromium. The caller closes it. */
export async function launchBrowser(): Promise<Browser> {
  try {
    const executablePath = await bundled.executablePath();
    // Not bundled.args: with --single-process among them, closing one page ends the browser.
    return await chromium.launch({ executablePath, args: QUIET, headless: true });
  } catch (error) {
    const executablePath = SYSTEM.find((path) => existsSync(path));
    if (executablePath === undefined) {
      throw new Error("Cannot start Chromium: the one from npm does not run here; apt-get install chromium", {
        cause: error,
      });
    }
    return chromium.launch({ executablePath, args: QUIET, headless: true });
  }
}
