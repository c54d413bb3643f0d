import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { masked } from "../secrets.ts";
import { ask, openStream } from "./frames.ts";
import type { Frame, Stream } from "./frames.ts";
import { startShowcase } from "./server.ts";
import type { Showcase } from "./server.ts";

const API_KEY = "sk-live-7Hq2zPw9Lx4Nf8Rb";

let showcase: Showcase;
beforeAll(async () => {
  showcase = await startShowcase({ SHOWCASE_QUIZ_SECONDS: "600" });
});
afterAll(() => showcase?.stop());

async function open(path: string, lastEventId?: string): Promise<Stream> {
  const headers = lastEventId === undefined ? {} : { "Last-Event-ID": lastEventId };
  const stream = await openStream(showcase.url + path, { headers });
  onTestFinished(() => stream.leave());
  return stream;
}

const isLive = ({ event }: Frame): boolean => event === "sluice.live";
const saysPath =
  (path: string) =>
  ({ data }: Frame): boolean =>
    data["path"] === path;

describe("the log", () => {
  test("tells of requests, streams with the reason of their end, publishes and trouble, each at its level", async () => {
    const log = await open("/log/events?level=debug");
    await log.until(isLive);
    await fetch(`${showcase.url}/machine`);
    await fetch(`${showcase.url}/style.css`);
    await fetch(`${showcase.url}/nothing`);
    const quiz = await open("/quiz/events");
    await quiz.next();
    quiz.leave();
    const frames = await log.until(
      ({ data }) => data["message"] === "stream closed" && data["path"] === "/quiz/events",
    );
    const told = frames.map(({ event, data }) => [
      event,
      data["message"],
      data["path"],
      data["status"] ?? data["reason"],
    ]);
    expect(told).toContainEqual(["log.info", "GET", "/machine", 200]);
    expect(told).toContainEqual(["log.debug", "GET", "/style.css", 200]);
    expect(told).toContainEqual(["log.warn", "GET", "/nothing", 404]);
    expect(told).toContainEqual(["log.info", "stream opened", "/quiz/events", undefined]);
    expect(told.at(-1)).toEqual(["log.info", "stream closed", "/quiz/events", "disconnected"]);
    await fetch(`${showcase.url}/quiz/answer`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ page: "a-page-of-a-test-1", round: 1, choice: 0 }),
    });
    const published = await log.until(({ data }) => data["message"] === "published");
    expect(published.at(-1)).toMatchObject({ event: "log.debug", data: { quiz: expect.any(Number) } });
  });

  test("sends no line below the level that was asked for, and resumes exactly under it", async () => {
    const errors = await open("/log/events?level=error");
    const warnings = await open("/log/events?level=warn");
    await Promise.all([errors.until(isLive), warnings.until(isLive)]);
    await fetch(`${showcase.url}/about`);
    await fetch(`${showcase.url}/first`);
    const [first] = await warnings.until(saysPath("/first"));
    expect(first).toMatchObject({ event: "log.warn", data: { path: "/first" } });
    warnings.leave();

    await fetch(`${showcase.url}/about`);
    for (const path of ["/second", "/third"]) await fetch(showcase.url + path);
    const back = await open("/log/events?level=warn", first?.id);
    expect(back.headers["sluice-resume"]).toBe("resumed");
    const missed = (await back.until(isLive)).filter((frame) => !isLive(frame));
    expect(missed.map(({ event, data }) => [event, data["path"]])).toEqual([
      ["log.warn", "/second"],
      ["log.warn", "/third"],
    ]);
    errors.leave();
    expect(await errors.until(() => false)).toEqual([]);
  });

  test("is one of the channels of a page's stream, with the same level and the same masks", async () => {
    const live = await open("/live/events?level=warn");
    const history = await live.until(isLive);
    expect(history.filter(({ event }) => /^log\.(?:debug|info)$/.test(event ?? ""))).toEqual([]);
    await fetch(`${showcase.url}/gone?token=${API_KEY}`);
    const [line] = (await live.until(({ event }) => event === "log.warn")).slice(-1);
    expect(line?.data).toMatchObject({ path: "/gone?token=•••" });
  });
});

describe("secrets", () => {
  /** What must not be read, and how it comes in. */
  const SECRETS = {
    bearer: "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.s3cr3tS1gnature",
    basic: "QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
    cookie: "hunter2",
    query: "t0p",
    escaped: "esc4ped",
    quoted: "qu0ted",
    address: "ada.lovelace+work@analytical.engine.example",
    key: API_KEY,
    page: "0123456789abcdef0123456789abcdef",
    referer: "r3ferred",
  };

  test("never go over the wire, whichever way they came in and whichever stream is read", async () => {
    const { url } = showcase;
    const paths = ["/log/events?level=debug", "/live/events?level=debug"];
    const streams = await Promise.all(paths.map((path) => open(path)));
    const seen = await Promise.all(streams.map((stream) => stream.until(isLive)));

    const query =
      `token=${SECRETS.query}&t%6Fken=${SECRETS.escaped}&page=${SECRETS.page}` +
      `&who=${encodeURIComponent(SECRETS.address)}&also=${SECRETS.key}&said=Bearer%20${SECRETS.quoted}`;
    const headers = {
      Authorization: `Bearer ${SECRETS.bearer}`,
      Cookie: `session=${SECRETS.cookie}; theme=dark`,
      Referer: `http://localhost/?code=${SECRETS.referer}`,
    };
    const basic = { ...headers, Authorization: `Basic ${SECRETS.basic}` };
    await fetch(`${url}/log/visit?${query}`, { method: "POST", headers });
    await fetch(`${url}/users/${SECRETS.address}/keys/${SECRETS.key}`, { headers: basic });
    await fetch(`${url}/pages/${SECRETS.page}/cut`, { method: "POST", headers });
    const withSecrets = await openStream(`${url}/quiz/events?${query}`, { headers });
    await withSecrets.next();
    withSecrets.leave();
    const answer = await ask(url, "What is pride?");
    const generation = String((await answer.next())?.data["generation"]);
    answer.leave();
    await fetch(`${url}/assistant/${generation}`);
    await fetch(`${url}/the/last/one`);

    for (const [index, stream] of streams.entries())
      seen[index]?.push(...(await stream.until(saysPath("/the/last/one"))));
    const back = await open("/log/events?level=debug", seen[0]?.[0]?.id);
    seen.push(await back.until(saysPath("/the/last/one")));
    for (const frames of seen) {
      const text = JSON.stringify(frames);
      // They have all been told, so something was there to be masked.
      for (const path of ["/log/visit?", "/users/", "/pages/", "/quiz/events?", "/assistant/"])
        expect(text).toContain(path);
      for (const [what, secret] of Object.entries({ ...SECRETS, generation })) {
        expect(text, what).not.toContain(secret);
        expect(text, what).not.toContain(encodeURIComponent(secret));
      }
      expect(text).not.toContain("ada.lovelace");
    }
  });

  test("are not in what goes wrong, either", () => {
    const error = new Error(`401 for ${SECRETS.address} with Bearer ${SECRETS.bearer}, key ${SECRETS.key}`);
    expect(JSON.stringify(masked({ error: String(error) }))).toBe(
      '{"error":"Error: 401 for ••• with Bearer ••• key •••"}',
    );
  });

  test("leave alone what is none", () => {
    const plain = {
      message: "stream closed",
      path: "/source/platforms/express.ts?level=warn",
      reason: "gone",
      ms: 1234,
      platform: "Express, Node 24.21.0",
      channels: ["quiz", "market"],
      nothing: null,
    };
    expect(masked(plain)).toEqual(plain);
    expect(masked({ headers: { Cookie: "a", "X-Api-Key": ["b"], password: { deep: "c" } } })).toEqual({
      headers: { Cookie: "•••", "X-Api-Key": "•••", password: "•••" },
    });
  });
});
