import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { chunk, startEndpoint } from "./endpoint.ts";
import { ask, openStream, startJob } from "./frames.ts";
import type { Frame } from "./frames.ts";
import { runToExit, startShowcase } from "./server.ts";
import type { Showcase } from "./server.ts";

let showcase: Showcase;

beforeAll(async () => {
  showcase = await startShowcase({ SHOWCASE_JOB_SECONDS: "2" });
});
afterAll(() => showcase?.stop());

/** A showcase of one test's own. */
async function startOwn(env: Readonly<Record<string, string | undefined>>): Promise<Showcase> {
  const own = await startShowcase(env);
  onTestFinished(() => void own.stop());
  return own;
}

describe("the assistant", () => {
  test("streams tokens while it writes, and ends with an account of them", async () => {
    const stream = await ask(showcase.url, "What is pride?");
    expect(stream.status).toBe(200);
    expect(stream.headers["content-type"]).toBe("text/event-stream; charset=utf-8");
    const start = await stream.next();
    expect(start?.event).toBe("start");
    expect((await stream.next())?.event).toBe("token");
    expect(stream.isComplete).toBe(false);
    const report = async (): Promise<unknown> =>
      (await fetch(`${showcase.url}/assistant/${String(start?.data["generation"])}`)).json();
    expect(await report()).toMatchObject({ state: "generating" });

    const rest = await stream.until(({ event }) => event === "done");
    const tokens = rest.filter(({ event }) => event === "token").length + 1;
    expect(rest.at(-1)?.data).toMatchObject({ tokens, ms: expect.any(Number) });
    expect(tokens).toBeGreaterThan(60);
    expect(await stream.next()).toBeUndefined();
    expect(stream.isComplete).toBe(true);
    expect(await report()).toMatchObject({ state: "finished", tokens });
  });

  test("speaks of what it was asked", async () => {
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => ask(showcase.url, "Tell me about Lydia and the officers")),
    );
    const texts = await Promise.all(
      answers.map(async (stream) =>
        (await stream.until(({ event }) => event === "done")).map(({ data }) => data["text"]).join(""),
      ),
    );
    expect(texts.join("")).toMatch(/Lydia|officers/);
    expect(new Set(texts).size).toBe(4);
  });

  test("stops generating when the client leaves", async () => {
    const stream = await ask(showcase.url, "What is pride?");
    const start = await stream.next();
    for (let seen = 0; seen < 5; seen++) await stream.next();
    stream.leave();
    const report = await vi.waitFor(async () => {
      const now = await (await fetch(`${showcase.url}/assistant/${String(start?.data["generation"])}`)).json();
      expect(now).toMatchObject({ state: "stopped" });
      return now as { tokens: number };
    });
    expect(report.tokens).toBeLessThan(40);
  });

  test.each([
    ["no prompt", "{}", 400, /prompt/],
    ["an empty prompt", '{"prompt": "  "}', 400, /prompt/],
    ["a prompt that is no text", '{"prompt": 7}', 400, /prompt/],
    ["a prompt that is too long", JSON.stringify({ prompt: "a".repeat(501) }), 400, /501 characters/],
    ["what is no JSON", "prompt", 400, /not JSON/],
    ["too much", JSON.stringify({ prompt: "a".repeat(20_000) }), 413, /too large/],
  ])("refuses %s with JSON that says why", async (_what, body, status, reason) => {
    const response = await fetch(`${showcase.url}/assistant`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body,
    });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: expect.stringMatching(reason) });
  });
});

describe("the assistant with an OpenAI-compatible endpoint", () => {
  const KEY = "a-key-that-nobody-may-see";
  const SECRET = "what the endpoint says to its customer only";

  /** One answer of a showcase whose endpoint is `handle`: its frames, and all that anybody could have seen. */
  async function answerOf(...handle: Parameters<typeof startEndpoint>): Promise<{ frames: Frame[]; seen: string }> {
    const endpoint = await startEndpoint(...handle);
    onTestFinished(() => endpoint.close());
    const own = await startOwn({ OPENAI_BASE_URL: endpoint.url, OPENAI_API_KEY: KEY, OPENAI_MODEL: "test-model" });
    const frames = await (await ask(own.url, "Hello?")).until(() => false);
    return { frames, seen: JSON.stringify(frames) + own.output() };
  }

  test("passes its tokens on as they come, until [DONE]", async () => {
    let request: { url: string | undefined; authorization: string | undefined; body: unknown } | undefined;
    const { frames, seen } = await answerOf(async (req, res) => {
      request = { url: req.url, authorization: req.headers.authorization, body: JSON.parse(await textOf(req)) };
      res.setHeader("Content-Type", "text/event-stream");
      res.write(': hello\n\ndata: {"choices":[{"delta":{"role":"assistant"}}]}\n\n');
      res.write(chunk("Good ") + chunk("day") + 'data: {"choices":[],"usage":{}}\n\n');
      res.end("data: [DONE]\n\n");
    });
    expect(request).toEqual({
      url: "/v1/chat/completions",
      authorization: `Bearer ${KEY}`,
      body: { model: "test-model", stream: true, messages: [{ role: "user", content: "Hello?" }] },
    });
    expect(frames.map(({ event, data }) => [event, data["text"] ?? data["model"] ?? data["tokens"]])).toEqual([
      ["start", "test-model"],
      ["token", "Good "],
      ["token", "day"],
      ["done", 2],
    ]);
    expect(seen).not.toContain(KEY);
  });

  test.each([
    [401, /does not accept the key/],
    [404, /does not know/],
    [429, /too many requests/],
    [500, /status 500/],
  ])("is polite about a status of %i, and discreet", async (status, reason) => {
    const { frames, seen } = await answerOf((_req, res) => {
      res
        .writeHead(status, { "Content-Type": "application/json" })
        .end(JSON.stringify({ error: { message: `${SECRET} ${KEY}` } }));
    });
    expect(frames.at(-1)).toMatchObject({ event: "problem", data: { message: expect.stringMatching(reason) } });
    expect(seen).not.toContain(SECRET);
    expect(seen).not.toContain(KEY);
  });

  test("is polite about an error in the middle, an answer that is no stream, and a broken connection", async () => {
    const broken = await answerOf((_req, res) => {
      res.setHeader("Content-Type", "text/event-stream");
      res.write(`${chunk("Well")}data: ${JSON.stringify({ error: { message: SECRET } })}\n\n`);
    });
    expect(broken.frames.map(({ event }) => event)).toEqual(["start", "token", "problem"]);
    const page = await answerOf((_req, res) => res.setHeader("Content-Type", "text/html").end(SECRET));
    expect(page.frames.at(-1)?.data["message"]).toMatch(/does not answer with an event stream/);
    const cut = await answerOf((_req, res) => {
      res.setHeader("Content-Type", "text/event-stream");
      res.write(chunk("Well"), () => res.destroy());
    });
    expect(cut.frames.map(({ event }) => event)).toEqual(["start", "token", "problem"]);
    expect(broken.seen + page.seen + cut.seen).not.toContain(SECRET);
  });

  test("stops the endpoint, too, when the client leaves", async () => {
    let stopped: Promise<unknown> | undefined;
    const endpoint = await startEndpoint((_req, res) => {
      stopped = once(res, "close");
      res.setHeader("Content-Type", "text/event-stream");
      res.write(chunk("And"));
    });
    onTestFinished(() => endpoint.close());
    const own = await startOwn({ OPENAI_BASE_URL: endpoint.url, OPENAI_API_KEY: KEY });
    const stream = await ask(own.url, "Hello?");
    await stream.until(({ event }) => event === "token");
    stream.leave();
    await stopped;
    expect(stopped).toBeDefined();
  });
});

describe("the job", () => {
  const isFinished = ({ event }: Frame): boolean => event === "finished";
  const idsOf = (frames: readonly Frame[]): number[] => frames.map(({ id }) => Number(id));
  const upTo = (from: number, to: number): number[] =>
    Array.from({ length: to - from + 1 }, (_, index) => from + index);

  test("goes on where a cut connection ended, loses and repeats nothing, and then says 204", async () => {
    const { id, events } = await startJob(showcase.url);
    const first = await openStream(showcase.url + events);
    const before = await first.until((frame) => frame.id === "5");
    await fetch(`${showcase.url}/jobs/${id}/drop`, { method: "POST" });
    before.push(...(await first.until(() => false)));
    expect(first.isComplete).toBe(false);
    const last = before.length;
    expect(idsOf(before)).toEqual(upTo(1, last));

    const second = await openStream(showcase.url + events, { headers: { "Last-Event-ID": String(last) } });
    const after = await second.until(isFinished);
    expect(idsOf(after)).toEqual(upTo(last + 1, last + after.length));
    expect(after.at(-1)?.data).toMatchObject({ digest: expect.stringMatching(/^[0-9a-f]{64}$/) });
    const { files, filesDone } = after.at(-1)?.data ?? {};
    expect(filesDone).toBe(files);
    expect(await second.next()).toMatchObject({ event: "sluice.end", id: "sluice.end" });
    expect(await second.next()).toBeUndefined();
    expect(second.isComplete).toBe(true);

    const third = await openStream(showcase.url + events, { headers: { "Last-Event-ID": "sluice.end" } });
    expect(third.status).toBe(204);
    expect(await (await fetch(`${showcase.url}/jobs/${id}`)).json()).toMatchObject({
      state: "finished",
      connections: { opened: 2, resumed: 1, turnedAway: 1 },
    });

    // Whoever comes late, or with an id that is none, gets the whole story.
    for (const lastEventId of ["", "0", "-1", "1e3", "99999", "x"]) {
      const late = await openStream(showcase.url + events, { headers: { "Last-Event-ID": lastEventId } });
      expect(idsOf(await late.until(isFinished))).toEqual(upTo(1, last + after.length));
    }
  });

  test("runs whether or not anybody watches", async () => {
    const { id } = await startJob(showcase.url);
    await vi.waitFor(
      async () => expect(await (await fetch(`${showcase.url}/jobs/${id}`)).json()).toMatchObject({ state: "finished" }),
      { timeout: 20_000 },
    );
  });

  test("is found by nobody who does not know its id", async () => {
    const { id } = await startJob(showcase.url);
    expect(id).toMatch(/^[\w-]{16}$/);
    for (const path of ["/jobs/1/events", `/jobs/${id.slice(0, -1)}/events`, "/jobs/__proto__"]) {
      expect((await fetch(showcase.url + path)).status).toBe(404);
    }
  });

  test("is one line of curl: the answer to a POST leads to the stream", async () => {
    const stream = await fetch(`${showcase.url}/jobs`, { method: "POST", redirect: "manual" });
    expect(stream.status).toBe(303);
    expect(stream.headers.get("Location")).toMatch(/^\/jobs\/[\da-f]{16}\/events$/);
  });

  test("is refused when four are running", async () => {
    const own = await startOwn({ SHOWCASE_JOB_SECONDS: "600" });
    for (let running = 0; running < 4; running++) await startJob(own.url);
    const response = await fetch(`${own.url}/jobs`, { method: "POST" });
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ error: expect.stringContaining("4 jobs") });
  });
});

describe("the server", () => {
  test("serves the page and Sluice's own modules, and lets nothing else in", async () => {
    const page = await fetch(showcase.url);
    expect(await page.text()).toContain("<h1>");
    expect(page.headers.get("Content-Security-Policy")).toMatch(/^default-src 'none'; script-src 'self';/);
    expect(page.headers.get("X-Powered-By")).toBeNull();
    const module = await fetch(`${showcase.url}/sluice/index.ts`);
    expect(module.headers.get("Content-Type")).toMatch(/^text\/javascript/);
    expect(await module.text()).not.toContain("export type");
    for (const path of [
      "/sluice/..%2fpackage.json",
      "/sluice/nothing.ts",
      "/source/page.ts",
      "/source/..%2fpackage.json",
      "/fonts/x",
    ]) {
      expect((await fetch(showcase.url + path)).status, path).toBe(404);
    }
  });

  test("tells its facts with each sample of the machine", async () => {
    const machine = await openStream(`${showcase.url}/machine/events`);
    const isSample = ({ event }: Frame): boolean => event === "sample";
    const factsOf = (frames: readonly Frame[]): Record<string, number> =>
      frames.at(-1)?.data["facts"] as Record<string, number>;
    const before = factsOf(await machine.until(isSample));
    const stream = await ask(showcase.url, "What is pride?");
    await stream.until(({ event }) => event === "token");
    const during = await machine.until(
      (frame) => isSample(frame) && Number(factsOf([frame])["openStreams"]) > Number(before["openStreams"]),
    );
    expect(factsOf(during)["tokensGenerated"]).toBeGreaterThan(Number(before["tokensGenerated"]));
    stream.leave();
    machine.leave();
  });

  test.each([
    ["SIGINT", 1000],
    ["SIGTERM", 5000],
  ] as const)("says goodbye to all on %s, spread over %i ms, and exits with 0 by itself", async (signal, within) => {
    const own = await startOwn({ SHOWCASE_JOB_SECONDS: "600" });
    const job = await openStream(own.url + (await startJob(own.url)).events);
    const answer = await ask(own.url, "What is pride?");
    const market = await openStream(`${own.url}/market/events`);
    const live = await Promise.all(Array.from({ length: 5 }, () => openStream(`${own.url}/live/events`)));
    const all = [job, answer, market, ...live];
    await Promise.all(all.map((stream) => stream.next()));
    const askedAt = performance.now();
    const exit = own.stop(signal);
    const ends = await Promise.all(
      all.map(async (stream) => ({ frames: await stream.until(() => false), at: performance.now() - askedAt })),
    );
    // Nothing has ended but the server: nobody is told that there is nothing to come back for.
    for (const { frames } of ends) expect(frames.map(({ event }) => event)).not.toContain("sluice.end");
    // The answer to a POST breaks off, so that nobody takes it for whole; unless it has come to its end before its turn.
    const isWhole = ends[1]?.frames.some(({ event }) => event === "done") === true;
    expect(all.map(({ isComplete }) => isComplete)).toEqual(all.map((stream) => stream !== answer || isWhole));
    for (const { frames } of ends.slice(-live.length)) {
      expect(frames.find(({ event }) => event === "going")?.data).toEqual({ within });
    }
    const times = ends.map(({ at }) => at).toSorted((a, b) => a - b);
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(within / 2);
    expect(await exit).toBe(0);
    expect(performance.now() - askedAt).toBeLessThan(within + 2500);
    expect(own.output()).not.toMatch(/error|warning/i);
  });

  test("lets nobody in while it is going, and tells them to come back", async () => {
    const own = await startOwn({});
    const stay = await Promise.all(Array.from({ length: 3 }, () => openStream(`${own.url}/quiz/events`)));
    const live = await openStream(`${own.url}/live/events`);
    const exit = own.stop("SIGTERM");
    await live.until(({ event }) => event === "going");
    // Once the first has been sent away, nobody new is let in.
    await Promise.race(stay.map((stream) => stream.until(() => false)));
    const late = await fetch(`${own.url}/quiz/events`);
    expect(late.status).toBe(200);
    expect(await late.text()).toMatch(/^:\nretry: \d+\n$/);
    for (const stream of [...stay, live]) stream.leave();
    expect(await exit).toBe(0);
  });

  test("says so when the port that was asked for is taken, or is none", async () => {
    const port = new URL(showcase.url).port;
    expect(await runToExit({ PORT: port })).toMatchObject({
      code: 1,
      output: expect.stringContaining(`Port ${port} is taken`),
    });
    expect(await runToExit({ PORT: "http" })).toMatchObject({
      code: 1,
      output: expect.stringContaining('PORT is "http"'),
    });
  });

  test("lists the platforms when there is none of that name", async () => {
    const { code, output } = await runToExit({}, ["--on", "netscape"]);
    expect(code).toBe(2);
    expect(output).toContain("There is no netscape. Say --on and one of express, koa, fastify, node, bun, deno");
  });

  test("finds a free port when none was asked for and the usual one is taken", async () => {
    const other = createServer().listen(3000, "127.0.0.1");
    // Where somebody else has it already, it is taken all the same.
    await Promise.race([once(other, "listening"), once(other, "error")]).catch(() => {});
    onTestFinished(() => void other.close());
    const own = await startOwn({ PORT: undefined });
    expect(new URL(own.url).port).not.toBe("3000");
    expect((other.address() as AddressInfo | null)?.port ?? 3000).toBe(3000);
    expect((await fetch(own.url)).status).toBe(200);
  });
});

async function textOf(req: IncomingMessage): Promise<string> {
  let text = "";
  for await (const part of req) text += String(part);
  return text;
}
