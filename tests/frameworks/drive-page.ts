import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser } from "../browser/launch.ts";
import type { Launched } from "../browser/launch.ts";

/** Defines the test of an example's page, at `/`: a form that publishes headlines, and a list of all that come. */
export function drivePage(url: () => string, publish: (text: string) => Promise<string>): void {
  let launched: Launched;
  beforeAll(async () => {
    launched = await launchBrowser();
  }, 60_000);
  afterAll(() => launched?.close());

  test("shows headlines in its page as they come, from its form and from elsewhere", async () => {
    const page = await launched.browser.newPage();
    const followed = page.waitForResponse((response) => response.url().endsWith("/news"));
    await page.goto(url());
    await followed;
    await page.getByLabel("Headline").fill("from the form");
    await page.getByRole("button").click();
    await page.waitForSelector("li >> text=from the form");
    await publish("from elsewhere");
    await page.waitForSelector("li >> text=from elsewhere");
    expect(await page.locator("li").allTextContents()).toEqual(["from the form", "from elsewhere"]);
    await page.close();
  });
}
