import { Agent, get } from "node:http";
import type { IncomingMessage } from "node:http";
import { openStream } from "@sluice/testkit/clients";
import type { OpenOptions, StreamClient } from "@sluice/testkit/clients";
import { afterAll, beforeAll, expect, test } from "vitest";
import { drivePage } from "./drive-page.ts";
import { startExample } from "./start-example.ts";
import type { RunningExample } from "./start-example.ts";

/** What an example has beyond its streams. */
export interface Features {
  /** What is no stream is compressed. Default false. */
  readonly compression?: boolean;
  /** A page is at `/`: see {@link drivePage}. Default false. */
  readonly page?: boolean;
}

/**
 * Defines the tests of one example, which is started as its reader would start it: a model's answer is at POST `/answer`;
 * headlines are published at POST `/news`, and followed at GET `/news`.
 */
export function driveExample(name: string, { compression = false, page = false }: Features = {}): void {
  let example: RunningExample;
  beforeAll(async () => {
    example = await startExample(name);
  });
  afterAll(() => example?.kill());

  const open = (path: string, options: OpenOptions = {}): Promise<StreamClient> =>
    openStream(example.url + path, { ...options, headers: { "Accept-Encoding": "gzip", ...options.headers } });
  const ask = (question: string): Promise<StreamClient> =>
    open("/answer", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ question }),
    });
  /** @returns the id of the headline */
  const publish = async (text: string): Promise<string> => {
    const response = await fetch(`${example.url}/news`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ text }),
    });
    const { id } = (await response.json()) as { id: string };
    return id;
  };

  test("sends tokens while the answer is being made, and stops the model when their reader leaves", async () => {
    const question = Array.from({ length: 10_000 }, (_, word) => `${word}`).join(" ");
    const client = await ask(question);
    for (const seen of [1, 2, 3]) await client.until(({ events }) => events.length >= seen);
    expect(client.end).toBeUndefined();
    expect(tokensOf(client).slice(0, 3)).toEqual(["0", "1", "2"]);
    client.leave();
    await example.untilSaid("The model was stopped", 1);
  });

  test("ends a whole answer cleanly, under the headers of a stream and the framework's own", async () => {
    const client = await ask("how do streams end");
    await client.until(({ end }) => end !== undefined);
    expect(client).toMatchObject({
      status: 200,
      end: "complete",
      headers: {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store, no-transform",
        "x-accel-buffering": "no",
        "access-control-allow-origin": "*",
      },
    });
    expect(client.headers).not.toHaveProperty("content-encoding");
    expect(tokensOf(client)).toEqual(["how", "do", "streams", "end"]);
  });

  test("refuses a question that cannot be read, before there is a stream", async () => {
    const client = await open("/answer", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: "{",
    });
    expect(client.status).toBeGreaterThanOrEqual(400);
    expect(client.headers).not.toMatchObject({ "content-type": expect.stringContaining("text/event-stream") });
    await client.ended;
  });

  test("hands on each headline when it is published, to all who follow", async () => {
    const clients = await Promise.all([open("/news"), open("/news")]);
    for (const client of clients)
      await client.until(({ events }) => events.some(({ event }) => event === "sluice.live"));
    const published: Headline[] = [];
    for (const text of ["one", "two", "three"]) {
      published.push({ id: await publish(text), text });
      for (const client of clients) {
        await client.until(() => headlinesOf(client).length === published.length);
        expect(headlinesOf(client)).toEqual(published);
      }
    }
    for (const client of clients) client.leave();
  });

  test("resumes with exactly what was missed, and goes on", async () => {
    const missed: Headline[] = [];
    const lastSeen = await publish("seen");
    for (const text of ["first", "second", "third"]) missed.push({ id: await publish(text), text });
    const client = await open("/news", { headers: { "Last-Event-ID": lastSeen } });
    expect(client.headers).toMatchObject({ "sluice-resume": "resumed" });
    await client.until(({ events }) => events.some(({ event }) => event === "sluice.live"));
    expect(headlinesOf(client)).toEqual(missed);
    const next = { id: await publish("next"), text: "next" };
    await client.until(() => headlinesOf(client).length > missed.length);
    expect(headlinesOf(client)).toEqual([...missed, next]);
    client.leave();
  });

  if (compression) {
    test("compresses what is no stream", async () => {
      // Frameworks say which path they have not found, so this is long enough to be worth it.
      const client = await open(`/${"x".repeat(2000)}`);
      expect(client).toMatchObject({ status: 404, headers: { "content-encoding": "gzip" } });
      await client.ended;
    });
  }

  if (page) drivePage(() => example.url, publish);

  test("ends its streams and its process when it is asked to stop, and readers come back meanwhile", async () => {
    const client = await open("/news");
    await client.until(({ events }) => events.length > 0);
    const goOn = keepComingBack(`${example.url}/news`);
    await goOn.isOpen;
    await example.stop();
    expect(await client.ended).toBe("complete");
    expect(await goOn.refusal).toMatchObject({ code: "ECONNREFUSED" });
  });
}

/** Follows a stream as browsers do: over a connection that is kept, and again soon after each end, until it is refused. */
function keepComingBack(url: string): { readonly isOpen: Promise<void>; readonly refusal: Promise<unknown> } {
  const isOpen = Promise.withResolvers<void>();
  const refusal = Promise.withResolvers<unknown>();
  const agent = new Agent({ keepAlive: true });
  const again = (): unknown => setTimeout(follow, RECONNECTION_TIME);
  const follow = (): void => {
    const request = get(url, { agent, headers: { Accept: "text/event-stream" } });
    request.once("response", (response: IncomingMessage) => {
      response.once("data", () => isOpen.resolve());
      response.once("close", again).on("error", () => {});
    });
    request.once("error", (error: NodeJS.ErrnoException) => {
      // A kept connection that the server closes at this moment is reset, and another one tried.
      if (error.code === "ECONNREFUSED") refusal.resolve(error);
      else again();
    });
  };
  follow();
  return { isOpen: isOpen.promise, refusal: refusal.promise };
}

/** In ms. Less than servers keep an idle connection, as with most browsers. */
const RECONNECTION_TIME = 1000;

interface Headline {
  readonly id: string;
  readonly text: string;
}

function tokensOf({ events }: StreamClient): string[] {
  return events.map(({ data }) => (JSON.parse(data) as { token: string }).token);
}

function headlinesOf({ events }: StreamClient): Headline[] {
  return events
    .filter(({ event }) => event === "headline")
    .map(({ id, data }) => ({ id: id ?? "", text: (JSON.parse(data) as { text: string }).text }));
}
