import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { launchBrowser } from "../../../tests/browser/launch.ts";
import type { Launched } from "../../../tests/browser/launch.ts";
import { startEndpoint } from "./endpoint.ts";
import { startShowcase } from "./server.ts";
import type { Showcase } from "./server.ts";

const launched: Launched | Error = await launchBrowser().catch((error: Error) => error);
if (launched instanceof Error) {
  if (process.env["REQUIRE_ENGINES"] === "1") throw launched;
  console.warn(`Skipping the page of the showcase. ${launched.message}`);
}

describe.skipIf(launched instanceof Error)("the page, in a real Chromium", () => {
  const { browser, close } = launched as Launched;
  let showcase: Showcase;
  let page: Page;
  /** Errors of scripts, failed requests and violations of the content security policy: the console has them all. */
  let complaints: string[];

  beforeAll(async () => {
    showcase = await startShowcase({ SHOWCASE_JOB_SECONDS: "4", SHOWCASE_QUIZ_SECONDS: "600" });
  });
  afterAll(async () => {
    await close();
    await showcase?.stop();
  });

  beforeEach(async () => {
    page = await openPage();
  });
  afterEach(async () => {
    await page.context().close();
    expect(complaints).toEqual([]);
  });

  async function openPage(options: Parameters<typeof browser.newContext>[0] = {}, url = showcase.url): Promise<Page> {
    const context = await browser.newContext(options);
    const opened = await context.newPage();
    complaints = [];
    opened.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push(message.text());
    });
    opened.on("pageerror", (error) => complaints.push(String(error)));
    await opened.goto(url);
    return opened;
  }

  const text = async (selector: string): Promise<string> => (await page.locator(selector).textContent()) ?? "";
  const tokensShown = (): Promise<number> => page.locator("#answer .token").count();
  const isBusy = async (): Promise<boolean> => (await page.locator("#answer").getAttribute("aria-busy")) === "true";
  const see = (selector: string, pattern: RegExp, timeout = 15_000): Promise<string> =>
    vi.waitFor(
      async () => {
        const shown = await text(selector);
        expect(shown).toMatch(pattern);
        return shown;
      },
      { timeout, interval: 20 },
    );

  test("shows tokens one by one, and stops here and on the server", async () => {
    await page.getByRole("textbox").fill("What is pride?");
    await page.getByRole("button", { name: "Ask", exact: true }).click();
    const seen = new Set<number>();
    await vi.waitFor(
      async () => {
        seen.add(await tokensShown());
        expect(seen.size).toBeGreaterThan(5);
      },
      { timeout: 10_000, interval: 5 },
    );
    expect(await isBusy()).toBe(true);
    expect(await text("#assistant-status")).toMatch(/^Streaming from a small n-gram model/);

    await page.getByRole("button", { name: "Stop", exact: true }).click();
    const verdict = await see("#assistant-status", /the server stopped too/);
    const [, stoppedAfter] =
      /Stopped after (\d+) tokens?; the server stopped too, .+ within \d+ ms/.exec(verdict) ?? [];
    expect(Number(stoppedAfter)).toBe(Number(await text("#assistant-tokens")));
    expect(Number(stoppedAfter)).toBeLessThan(70);
    expect(await isBusy()).toBe(false);
  });

  test("keeps its height on a phone while it writes, and follows the text", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    await page.getByRole("button", { name: "Ask", exact: true }).click();
    await see("#assistant-status", /^Streaming/);
    const height = (): Promise<number> => page.evaluate(`document.querySelector("#assistant").offsetHeight`);
    const before = await height();
    await see("#assistant-status", /^Done: /, 20_000);
    expect(await height()).toBe(before);
    const below = await page.evaluate<number>(
      `(({ scrollHeight, scrollTop, clientHeight }) => scrollHeight - scrollTop - clientHeight)(document.querySelector("#answer"))`,
    );
    expect(below).toBeLessThan(3);
  });

  test("writes an answer to its end, and shows the frames that brought it", async () => {
    await page.getByRole("button", { name: "A letter from Lydia" }).click();
    expect(await page.getByRole("textbox").inputValue()).toContain("Lydia");
    const status = await see("#assistant-status", /^Done: /, 20_000);
    expect(status).toContain(`${await text("#assistant-tokens")} tokens`);
    await page.locator("#assistant-wire summary").click();
    await see("#assistant-wire pre", /event: done\ndata: \{"tokens":\d+,"ms":\d+\}\n\n$/);
    expect(await text("#assistant-curl")).toContain(`curl -N ${showcase.url}/assistant`);
  });

  test("is worked with the keyboard alone", async () => {
    const focused = (): Promise<string> => page.evaluate<string>("document.activeElement.id");
    const press = (key: string): Promise<void> => page.keyboard.press(key);
    await page.locator("#prompt").focus();
    await page.keyboard.type("What is pride?");
    await press("Enter");
    await vi.waitFor(async () => expect(await tokensShown()).toBeGreaterThan(0), { timeout: 5000 });
    await press("Tab");
    expect(await focused()).toBe("stop-button");
    await press("Space");
    await see("#assistant-status", /the server stopped too/);
    // The button is gone; the focus is not.
    expect(await focused()).toBe("ask-button");
  });

  test("says politely what the endpoint would not do", async () => {
    const endpoint = await startEndpoint((_req, res) => res.writeHead(401).end("a secret"));
    onTestFinished(() => endpoint.close());
    const own = await startShowcase({ OPENAI_BASE_URL: endpoint.url, OPENAI_API_KEY: "key" });
    onTestFinished(async () => void (await own.stop()));
    await page.context().close();
    page = await openPage({}, own.url);
    await page.getByRole("button", { name: "Ask", exact: true }).click();
    await see("#assistant-status", /does not accept the key \(status 401\)/);
  });

  test("follows the job through a cut connection, and loses and repeats nothing", async () => {
    await page.getByRole("button", { name: "Start hashing" }).click();
    await see("#job-percent", /^[1-9]\d/);
    const cut = page.getByRole("button", { name: "Cut the connection" });
    await cut.click();
    const [, last] = /after event no\. (\d+)/.exec(await see("#job-status", /^Disconnected after event no\./)) ?? [];
    const resumed = await see("#job-status", /^Resumed at event/);
    expect(resumed).toBe(`Resumed at event no. ${Number(last) + 1}: nothing lost, nothing repeated.`);

    await see("#job-status", /^Finished\. No stream is open/);
    expect(await text("#job-percent")).toBe("100");
    expect(await page.getByRole("progressbar").getAttribute("aria-valuenow")).toBe("100");
    expect(await text("#job-verdict-title")).toMatch(/^\d+ events, 1 cut, 0 lost, 0 repeated$/);
    expect(await text("#job-digest")).toMatch(/^[0-9a-f]{64}$/);
    const [, done, all] = /^(\d+) \/ (\d+)$/.exec(await text("#job-files")) ?? [];
    expect(done).toBe(all);
    const journal = await page.locator("#job-journal li span").allTextContents();
    expect(journal[0]).toBe("Connected.");
    expect(journal.slice(-2)).toEqual([
      expect.stringContaining("sluice.end"),
      expect.stringContaining("204 No Content"),
    ]);
    expect(await cut.isDisabled()).toBe(true);
    expect(await page.getByRole("button", { name: "Start hashing" }).isEnabled()).toBe(true);
    // The browser reports the reset itself; nothing else may have gone wrong.
    complaints = complaints.filter((complaint) => !complaint.includes("net::ERR_CONNECTION_RESET"));
  });

  test("tells of a server that is going, and goes on by itself with the next one", async () => {
    const own = await startShowcase({ SHOWCASE_JOB_SECONDS: "600" });
    await page.context().close();
    page = await openPage({}, own.url);
    await page.getByRole("button", { name: "Start hashing" }).click();
    await see("#job-id", /^\d+$/);
    await page.getByRole("button", { name: "A good marriage" }).click();
    await vi.waitFor(async () => expect(await tokensShown()).toBeGreaterThan(0), { timeout: 5000 });
    const exit = own.stop("SIGTERM");
    await see("#notice", /^The server is stopping: it says goodbye to all within 5\.0 s/);
    // Clients are told goodbye in random order: the answer may have come to its end before.
    await see("#assistant-status", /^(The connection was lost|Done)/);
    expect(await exit).toBe(0);
    await see("#notice", /^The server has gone\. This page looks for it/);
    const again = await startShowcase({ PORT: new URL(own.url).port });
    onTestFinished(async () => void (await again.stop()));
    await see("#notice", /^The server is back/);
    await see("#job-status", /^The server no longer knows this job/);
    expect(await page.getByRole("button", { name: "Start hashing" }).isEnabled()).toBe(true);
    // The answer breaks off. The page looks for the server in vain, as it should, and then for a job that has gone with it.
    complaints = complaints.filter(
      (complaint) => !/net::ERR_(?:INCOMPLETE_CHUNKED_ENCODING|CONNECTION_REFUSED|EMPTY_RESPONSE)|404/.test(complaint),
    );
  });

  test("reads the market in sips, and gets the newest of each symbol", async () => {
    const figure = async (name: string): Promise<number> =>
      Number((await text(`#market-${name}`)).replaceAll(/\D/g, ""));
    await page.locator("#market").scrollIntoViewIfNeeded();
    await vi.waitFor(async () => expect(await figure("read")).toBeGreaterThan(200), { timeout: 10_000 });
    expect(await page.locator("#market-tiles li").count()).toBe(20);
    expect(await figure("overtaken")).toBe(0);
    await page.getByRole("radio", { name: "Every 2 s" }).check();
    // Some 400 quotes in two seconds, of 20 symbols.
    const [, quotes, came, overtaken] =
      /^(\d+) quotes since the last sip: (\d+) came, (\d+) overtaken\. Of each river the newest\.$/.exec(
        await see("#market-status", /^[1-9]\d\d quotes since the last sip/),
      ) ?? [];
    expect(Number(came)).toBeLessThanOrEqual(20);
    expect(Number(came) + Number(overtaken)).toBe(Number(quotes));
    await page.getByRole("radio", { name: "Nothing", exact: true }).check();
    await see("#market-status", /^You do not read\. [1-9]\d* quotes? since/);
    const before = await figure("overtaken");
    await page.getByRole("radio", { name: "All", exact: true }).check();
    await see("#market-status", /^Every quote/);
    await vi.waitFor(async () => expect(await figure("overtaken")).toBeGreaterThan(before));
  });

  test("shows the server's log, as much as was asked for, and no secret that it was sent", async () => {
    const lines = (): Promise<string[]> => page.locator("#log-lines li").allTextContents();
    await vi.waitFor(async () => expect((await lines()).join("\n")).toMatch(/info ?stream opened/));
    await page.getByRole("button", { name: "Send it a secret" }).click();
    await vi.waitFor(async () =>
      expect((await lines()).join("\n")).toMatch(
        /POST path=\/log\/visit\?token=•••&from=•••&topic=weather .*authorization=•••/,
      ),
    );
    await page.getByRole("radio", { name: "debug", exact: true }).check();
    await vi.waitFor(async () => expect((await lines()).join("\n")).toMatch(/debug ?published /), { timeout: 5000 });
    await page.getByRole("radio", { name: "warn", exact: true }).check();
    await vi.waitFor(async () => expect((await lines()).at(-1)).toBe("from here on, warn and above"));
    await fetch(`${showcase.url}/nothing/here`);
    await vi.waitFor(async () => expect((await lines()).at(-1)).toMatch(/warn ?GET path=\/nothing\/here status=404/));
    expect((await lines()).filter((line) => /\d(?:debug|info)/.test(line))).toEqual([]);
  });

  test("shows what the server counts", async () => {
    // One for quiz, machine and log; the market is not on the screen.
    await see('[data-fact="openStreams"]', /^1$/);
    await page.getByRole("button", { name: "A good marriage" }).click();
    await see('[data-fact="openStreams"]', /^[23]$/);
    await page.getByRole("button", { name: "Stop", exact: true }).click();
    await see('[data-fact="openStreams"]', /^[12]$/);
    expect(Number((await text('[data-fact="delivered"]')).replaceAll(",", ""))).toBeGreaterThan(0);
    expect(await text('[data-fact="lag"]')).toMatch(/^\d+$/);
    expect(Number(await text('[data-fact="tokensGenerated"]'))).toBeGreaterThan(0);
  });

  test("lets all pages take part in the quiz, and see the same at once", async () => {
    const other = await page.context().newPage();
    await other.goto(showcase.url);
    for (const one of [page, other])
      await vi.waitFor(async () => expect(await one.locator("#quiz-pages").textContent()).toBe("2 pages"));
    const votes = (where: Page): Promise<string[]> => where.locator("#quiz-choices [data-votes]").allTextContents();
    expect(await votes(page)).toEqual(["0", "0", "0", "0"]);
    await page.locator("#quiz-choices button").nth(2).focus();
    await page.keyboard.press("Enter");
    for (const one of [page, other])
      await vi.waitFor(async () => expect(await votes(one)).toEqual(["0", "0", "1", "0"]));
    await see("#quiz-status", /^You have answered, as 1 of 2 pages has\.$/);
    expect(await page.locator('#quiz-choices [aria-pressed="true"]').count()).toBe(1);
    expect(await page.locator("#quiz-choices button:disabled").count()).toBe(4);
    await other.locator("#quiz-choices button").first().click();
    for (const one of [page, other])
      await vi.waitFor(async () => expect(await votes(one)).toEqual(["1", "0", "1", "0"]));
    await other.close();
    await see("#quiz-pages", /^1 page$/);
  });

  const journal = (): Promise<string[]> => page.locator("#journal li span").allTextContents();
  const points = async (): Promise<number> => Number(await page.locator("#machine-chart").getAttribute("data-points"));

  test("comes back when its connections are cut, or the tab was hidden, and has missed nothing", async () => {
    await vi.waitFor(async () => expect(await points()).toBeGreaterThan(1), { timeout: 10_000 });
    expect(await page.locator("#machine-chart canvas").count()).toBe(1);
    await page.getByRole("button", { name: "Cut this page’s connections" }).click();
    const resumed = (name: string, how: string): RegExp =>
      new RegExp(
        `^${name} ${how} after [\\d,]+ ms, resumed behind event no\\. \\d+: \\d+ events? had waited, 0 lost, 0 repeated\\.$`,
      );
    const says = (pattern: RegExp): Promise<void> =>
      vi.waitFor(async () => expect((await journal()).some((entry) => pattern.test(entry))).toBe(true), {
        timeout: 10_000,
        interval: 20,
      });
    for (const name of ["quiz", "machine"]) {
      await says(new RegExp(`^${name} cut behind event no\\. \\d+\\.`));
      await says(resumed(name, "back"));
    }
    expect(await text("#quiz-account")).toMatch(/^\d+ events?, 0 lost, 0 repeated$/);

    const turn = (hidden: boolean): Promise<unknown> =>
      page.evaluate(
        `Object.defineProperty(document, "hidden", { value: ${hidden}, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"))`,
      );
    const readers = async (): Promise<number> =>
      ((await (await fetch(`${showcase.url}/machine`)).json()) as { readers: number }).readers;
    await turn(true);
    await vi.waitFor(async () => expect(await readers()).toBe(0));
    await turn(false);
    for (const name of ["quiz", "machine"]) await says(resumed(name, "looked at again"));
    const before = await points();
    await vi.waitFor(async () => expect(await points()).toBeGreaterThan(before), { timeout: 5000 });
    complaints = complaints.filter((complaint) => !complaint.includes("net::ERR_CONNECTION_RESET"));
  });

  test("says so when the server was restarted, and starts anew", async () => {
    const own = await startShowcase();
    await page.context().close();
    page = await openPage({}, own.url);
    await vi.waitFor(async () => expect(await points()).toBeGreaterThan(0), { timeout: 10_000 });
    await page.locator("#quiz-choices button").first().click();
    await see("#quiz-status", /^You have answered/);
    expect(await own.stop()).toBe(0);
    await see("#quiz-state", /^(cut behind event no\. \d+|the browser is trying again)$/);
    const again = await startShowcase({ PORT: new URL(own.url).port, SHOWCASE_QUIZ_SECONDS: "600" });
    onTestFinished(async () => void (await again.stop()));
    for (const [name, from] of [
      ["quiz", "with a fresh snapshot"],
      ["machine", "with what the server has"],
    ]) {
      await vi.waitFor(
        async () =>
          expect((await journal()).join("\n")).toMatch(
            new RegExp(`${name}: the server was restarted.+ Starting anew ${from}`),
          ),
        {
          timeout: 15_000,
        },
      );
    }
    await see("#machine-status", /^The server was restarted/);
    const before = await points();
    await vi.waitFor(async () => expect(await points()).toBeGreaterThan(before), { timeout: 5000 });
    await page.locator("#quiz-choices button").first().click();
    await see("#quiz-status", /^You have answered, as 1 of 1 page has\.$/);
    expect(await text("#quiz-account")).toMatch(/0 lost, 0 repeated$/);
    complaints = complaints.filter(
      (complaint) => !/net::ERR_(?:CONNECTION_REFUSED|EMPTY_RESPONSE|CONNECTION_RESET)/.test(complaint),
    );
  });

  test.each([
    ["a phone, dark", { viewport: { width: 360, height: 740 }, colorScheme: "dark" as const }],
    [
      "a desk, light, no motion",
      { viewport: { width: 1440, height: 900 }, colorScheme: "light" as const, reducedMotion: "reduce" as const },
    ],
  ])("fits on %s", async (_where, options) => {
    await page.context().close();
    page = await openPage(options);
    const { overflow, fonts, scheme } = await page.evaluate<{ overflow: number; fonts: number; scheme: string }>(
      `document.fonts.ready.then((fonts) => ({
        overflow: document.documentElement.scrollWidth - innerWidth,
        fonts: [...fonts].filter(({ status }) => status === "error").length,
        scheme: getComputedStyle(document.body).backgroundColor,
      }))`,
    );
    expect({ overflow, fonts }).toEqual({ overflow: 0, fonts: 0 });
    expect(scheme).toBe(options.colorScheme === "dark" ? "rgb(11, 19, 18)" : "rgb(247, 245, 239)");
  });
});
