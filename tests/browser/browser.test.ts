import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { stripTypeScriptTypes } from "node:module";
import { eventStream } from "@sluice/adapter-node";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { launchBrowser } from "./launch.ts";
import type { Launched } from "./launch.ts";

let launched: Launched;
let browser: Browser;
let server: Server;
let page: Page;
let url: string;
let handle: (path: string, ...args: Parameters<ReturnType<typeof eventStream>>) => void;

beforeAll(async () => {
  launched = await launchBrowser();
  browser = launched.browser;
  server = createServer((req, res) => {
    const path = new URL(req.url ?? "/", "http://localhost").pathname;
    if (path.startsWith("/core/")) void serveModule(path.slice("/core/".length), res);
    else if (path === "/") res.setHeader("Content-Type", "text/html").end("<!doctype html><title>test</title>");
    else handle(path, req, res);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}, 60_000);

afterAll(async () => {
  await launched?.close();
  server?.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

beforeEach(async () => {
  page = await browser.newPage();
  await page.goto(url);
});

afterEach(() => page.close());

/** Core as it is, its types blanked out: what a bundler would hand to a page. */
async function serveModule(name: string, res: ServerResponse): Promise<void> {
  const source = await readFile(new URL(`../../packages/core/src/${name}`, import.meta.url), "utf8");
  res.setHeader("Content-Type", "text/javascript").end(stripTypeScriptTypes(source));
}

/** What a native EventSource dispatches as `message`, until it gives up. */
function messagesUntilClosed(): Promise<string[]> {
  return page.evaluate(async () => {
    const messages: string[] = [];
    const source = new EventSource("/stream");
    source.addEventListener("message", ({ data }) => messages.push(data));
    while (source.readyState !== EventSource.CLOSED) {
      await new Promise((resolve) => source.addEventListener("error", resolve, { once: true }));
    }
    return messages;
  });
}

test("a native EventSource on a generator that finishes connects again once, gets 204 and stops", async () => {
  let runs = 0;
  const requests: (string | undefined)[] = [];
  const stream = eventStream(
    function* () {
      runs++;
      yield { id: "1", data: "one" };
      yield { id: "2", data: "two" };
    },
    { retry: 10 },
  );
  handle = (_path, req, res) => {
    requests.push(req.headers["last-event-id"] as string | undefined);
    stream(req, res);
  };
  const seen = await messagesUntilClosed();
  expect(seen).toEqual(["one", "two"]);
  expect(requests).toEqual([undefined, "sluice.end"]);
  expect(runs).toBe(1);
});

test("a native EventSource whose connection has aged out resumes from its last event", async () => {
  const resumes: unknown[] = [];
  const stream = eventStream(
    async function* ({ lastEventId, resume, signal }) {
      resumes.push([resume, lastEventId]);
      for (let n = Number(lastEventId ?? 0) + 1; n <= 6; n++) {
        yield { id: String(n), data: n };
        if (n % 2 === 0 && n < 6) await new Promise((resolve) => signal.addEventListener("abort", resolve));
      }
    },
    { retry: 10, maxAge: 200 },
  );
  handle = (_path, req, res) => stream(req, res);
  const seen = await messagesUntilClosed();
  expect(seen).toEqual(["1", "2", "3", "4", "5", "6"]);
  expect(resumes).toEqual([
    ["fresh", undefined],
    ["resumed", "2"],
    ["resumed", "4"],
  ]);
});

test("an id outside ASCII comes back from a browser as it was sent", async () => {
  const resumes: unknown[] = [];
  const stream = eventStream(
    ({ lastEventId }) => {
      resumes.push(lastEventId);
      return lastEventId === undefined ? [{ id: "é✓", data: "" }] : [];
    },
    { retry: 10, whenDone: "reconnect" },
  );
  let source: Promise<void>;
  handle = (_path, req, res) => {
    stream(req, res);
    if (resumes.length === 2) source = page.evaluate(() => (window as { stop?: () => void }).stop?.());
  };
  await page.evaluate(() => {
    const eventSource = new EventSource("/stream");
    (window as { stop?: () => void }).stop = () => eventSource.close();
  });
  await expect.poll(() => resumes.slice(0, 2)).toEqual([undefined, "é✓"]);
  await source!;
});

test("core runs in a page: it posts, reads with its own decoder and leaves, which the server sees", async () => {
  let reason: Promise<string> | undefined;
  const stream = eventStream(async function* ({ native, closed }) {
    reason = closed;
    let body = "";
    for await (const chunk of native.req) body += String(chunk);
    for (let n = 0; ; n++) yield { event: "echo", data: { n, body, text: "ünïcode\n✓ 🎉" } };
  });
  handle = (_path, req, res) => stream(req, res);
  // As text: the test runner would rewrite an import.
  const seen = await page.evaluate(`(async () => {
    const { decodeEventStream } = await import("/core/index.ts");
    const response = await fetch("/stream", { method: "POST", body: "hi" });
    const events = [];
    for await (const event of decodeEventStream(response, { parse: JSON.parse })) {
      if (events.push(event) === 3) break;
    }
    return events;
  })()`);
  expect(seen).toEqual([0, 1, 2].map((n) => ({ event: "echo", data: { n, body: "hi", text: "ünïcode\n✓ 🎉" } })));
  expect(await reason).toBe("disconnected");
});

test("what a native EventSource makes of any event is what was sent", async () => {
  const events = [
    { data: "" },
    { data: " leading space" },
    { data: ": colon" },
    { data: "\uFEFFbom" },
    { data: "a\r\nb\rc\nd" },
    { data: "\n" },
    { data: "lone \ud800 surrogate" },
    { event: "message", data: "named", id: "x" },
    { data: "data: nested\nid: 9\n\nevent: y" },
    { data: "🎉 ünï" },
  ];
  const stream = eventStream(() => events, { retry: 10 });
  handle = (_path, req, res) => stream(req, res);
  const seen = await messagesUntilClosed();
  expect(seen).toEqual(events.map(({ data }) => data.replace(/\r\n?/g, "\n").toWellFormed()));
});
