import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { launchBrowser } from "../../../tests/browser/launch.ts";
import type { Launched } from "../../../tests/browser/launch.ts";
import { startShowcase } from "./server.ts";
import type { Showcase } from "./server.ts";

/** What differs between platforms, for whoever looks. */
export interface PlatformUnderTest {
  /** As it is written behind `--on`. */
  readonly name: string;
  /** What the page says that it is on. */
  readonly says: RegExp;
}

const launched: Launched | Error = await launchBrowser().catch((error: Error) => error);
if (launched instanceof Error) {
  if (process.env["REQUIRE_ENGINES"] === "1") throw launched;
  console.warn(`Skipping the showcase on its platforms. ${launched.message}`);
}

/** The same short visit on each platform: what works on one has to work on all. */
export function visitOn(platforms: readonly PlatformUnderTest[]): void {
  afterAll(() => (launched as Launched).close?.());

  describe.skipIf(launched instanceof Error).each(platforms)("the same page on $name", ({ name, says }) => {
    const { browser } = launched as Launched;
    let showcase: Showcase;
    let page: Page;
    const complaints: string[] = [];

    beforeAll(async () => {
      showcase = await startShowcase({ SHOWCASE_QUIZ_SECONDS: "600", SHOWCASE_JOB_SECONDS: "3" }, name);
      const context = await browser.newContext({ viewport: { width: 1440, height: 1000 } });
      page = await context.newPage();
      page.on("pageerror", (error) => complaints.push(String(error)));
      page.on("console", (message) => {
        if (message.type() === "error") complaints.push(message.text());
      });
      await page.goto(showcase.url);
    });
    afterAll(async () => {
      await page?.context().close();
      await showcase?.stop();
    });

    const text = async (selector: string): Promise<string> => (await page.locator(selector).textContent()) ?? "";
    const see = (selector: string, pattern: RegExp, timeout = 15_000): Promise<void> =>
      vi.waitFor(async () => expect(await text(selector)).toMatch(pattern), { timeout, interval: 25 });

    test("says where it is, takes an answer, and samples the machine", async () => {
      await see("#platform", says);
      await page.locator("#quiz-choices button").first().click();
      await see("#quiz-status", /^You have answered, as 1 of 1 page has\.$/);
      await see("#machine-account", /^(?:[2-9]|\d\d+) events, 0 lost, 0 repeated$/);
    });

    test("reads the market whole and in sips, and the log without a secret", async () => {
      await page.locator("#market").scrollIntoViewIfNeeded();
      await vi.waitFor(async () => expect(await page.locator("#market-tiles li").count()).toBe(20), {
        timeout: 10_000,
      });
      await page.getByRole("radio", { name: "Every 2 s" }).check();
      await see("#market-status", /^[1-9]\d\d quotes since the last sip: \d+ came, \d+ overtaken/);
      await page.getByRole("button", { name: "Send it a secret" }).click();
      await see("#log-lines", /\/log\/visit\?token=•••&from=•••&topic=weather.*authorization=•••/);
      await page.getByRole("radio", { name: "debug", exact: true }).check();
      await see("#log-lines", /debugpublished/);
    });

    test("stops an answer on the server, too", async () => {
      await page.getByRole("button", { name: "A good marriage" }).click();
      await vi.waitFor(async () => expect(await page.locator("#answer .token").count()).toBeGreaterThan(3), {
        timeout: 10_000,
      });
      await page.getByRole("button", { name: "Stop", exact: true }).click();
      await see("#assistant-status", /the server stopped too/);
    });

    test("loses and repeats nothing when connections are cut", async () => {
      await page.getByRole("button", { name: "Cut this page’s connections" }).click();
      await see("#journal", /quiz back after [\d,]+ ms, resumed behind event no\. \d+: .*?, 0 lost, 0 repeated\./);
      await page.getByRole("button", { name: "Start hashing" }).click();
      await see("#job-percent", /^[1-9]\d/);
      await page.getByRole("button", { name: "Cut the connection" }).click();
      await see("#job-verdict-title", /^\d+ events, 1 cut, 0 lost, 0 repeated$/, 20_000);
      await see("#job-status", /^Finished\. No stream is open/);
    });

    test("says goodbye and ends by itself", async () => {
      const exit = showcase.stop("SIGINT");
      await see("#notice", /^The server is stopping/);
      expect(await exit).toBe(0);
      // Where there is no socket to reset, a body fails, and the runtime says so.
      const others = showcase.output().replaceAll(/^.*A connection was cut, as its page had asked$/gm, "");
      expect(others).not.toMatch(/error|warning|unhandled/i);
      // That connections broke is the browser's to say, and what this is about.
      expect(complaints.filter((complaint) => !/net::ERR_/.test(complaint))).toEqual([]);
    });
  });
}
