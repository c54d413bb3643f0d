import { once } from "node:events";
import http from "node:http";
import type { IncomingMessage } from "node:http";
import { createGunzip } from "node:zlib";
import { eventStream } from "@sluice/adapter-express";
import { openStream, serveNode } from "@sluice/testkit";
import type { StartedServer } from "@sluice/testkit";
import compression from "compression";
import cors from "cors";
import express5 from "express";
import session from "express-session";
import express4 from "express4";
import morgan from "morgan";
import { describe, expect, onTestFinished, test } from "vitest";

async function serve(app: express5.Express): Promise<StartedServer> {
  const server = await serveNode(http.createServer(app));
  onTestFinished(() => server.close());
  return server;
}

describe.each([
  ["Express 5", express5],
  ["Express 4", express4],
])("%s", (_, express) => {
  test("headers and cookies that were set earlier survive, beside those of the stream", async () => {
    const app = express();
    app.use(cors({ origin: "https://example.com", credentials: true }));
    app.use((_req, res, next) => {
      res.cookie("session", "1");
      res.setHeader("X-Request-Id", "42");
      next();
    });
    app.get(
      "/",
      eventStream(() => [{ data: "hello" }], { headers: { "Set-Cookie": "theme=dark", "X-Stream": "yes" } }),
    );
    const client = await openStream((await serve(app)).url);
    await client.ended;
    expect(client.headers).toMatchObject({
      "access-control-allow-origin": "https://example.com",
      "access-control-allow-credentials": "true",
      "x-request-id": "42",
      "x-stream": "yes",
      "set-cookie": ["session=1; Path=/", "theme=dark"],
      "content-type": "text/event-stream; charset=utf-8",
    });
  });

  test("the source finds the parsed body of a POST, and the user of a middleware, in native.req", async () => {
    const app = express();
    app.use(express.json());
    app.use((req, _res, next) => {
      Object.assign(req, { user: "ada" });
      next();
    });
    app.post(
      "/chat",
      eventStream(({ native: { req } }) => [{ data: { body: req.body as unknown, user: "user" in req && req.user } }]),
    );
    const client = await openStream(`${(await serve(app)).url}/chat`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: '{"prompt":"hello"}',
    });
    await client.ended;
    expect(client.events).toEqual([{ data: '{"body":{"prompt":"hello"},"user":"ada"}' }]);
  });

  test("the URL is the whole one inside a mounted router", async () => {
    const router = express.Router();
    router.get(
      "/events",
      eventStream(({ url }) => [{ data: url.pathname + url.search }]),
    );
    const app = express();
    app.use("/api/v1", router);
    const client = await openStream(`${(await serve(app)).url}/api/v1/events?a=b`);
    await client.ended;
    expect(client.events[0]).toEqual({ data: "/api/v1/events?a=b" });
  });

  test("otherwise passes a page's request on to the next handler", async () => {
    const app = express();
    app.get(
      "/",
      eventStream(() => [{ data: "hello" }], { otherwise: ({ next }) => next() }),
    );
    app.get("/", (_req, res) => void res.send("the page"));
    const client = await openStream((await serve(app)).url, { headers: { Accept: "text/html" } });
    await client.ended;
    expect(client.text).toBe("the page");
  });

  test("an otherwise that rejects reaches the app's error handler, and nothing else", async () => {
    const app = express();
    app.get(
      "/",
      eventStream(() => [{ data: "hello" }], { otherwise: () => Promise.reject(new Error("no page")) }),
    );
    app.use((error: Error, _req: express5.Request, res: express5.Response, _next: express5.NextFunction) => {
      res.status(503).end(error.message);
    });
    const client = await openStream((await serve(app)).url, { headers: { Accept: "text/html" } });
    await client.ended;
    expect([client.status, client.text]).toEqual([503, "no page"]);
  });

  test("a session is there for the source, its cookie goes out, and what the source changes is kept", async () => {
    const app = express();
    app.use(session({ secret: "of a test", resave: false, saveUninitialized: true }));
    app.get(
      "/",
      eventStream(async function* ({ native: { req } }) {
        const visits = (req.session as { visits?: number }).visits ?? 0;
        Object.assign(req.session, { visits: visits + 1 });
        yield { data: { visits } };
        await new Promise((resolve) => setTimeout(resolve, 50));
        yield { data: "later" };
      }),
    );
    const { url } = await serve(app);
    const first = await openStream(url);
    expect(await first.ended).toBe("complete");
    const [cookie = ""] = [first.headers["set-cookie"]].flat();
    const second = await openStream(url, { headers: { Cookie: cookie.split(";")[0] } });
    expect(await second.ended).toBe("complete");
    expect([first, second].map(({ events }) => events.map(({ data }) => data).slice(0, 2))).toEqual([
      ['{"visits":0}', "later"],
      ['{"visits":1}', "later"],
    ]);
  });

  test("a logger writes one line for each stream, when it has ended", async () => {
    const lines: string[] = [];
    const app = express();
    app.use(morgan(":method :url :status", { stream: { write: (line) => lines.push(line.trim()) } }));
    app.get(
      "/",
      eventStream(async function* ({ signal }) {
        yield { data: "ready" };
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      }),
    );
    app.get(
      "/forbidden",
      eventStream(() => [], { authorize: () => false }),
    );
    const { url } = await serve(app);
    await (
      await openStream(`${url}/forbidden`)
    ).ended;
    const client = await openStream(url);
    await client.until(({ events }) => events.length === 1);
    expect(lines).toEqual(["GET /forbidden 403"]);
    client.leave();
    await expect.poll(() => lines).toEqual(["GET /forbidden 403", "GET / 200"]);
  });

  test("a request timeout ends no stream that is open, and answers while authorize makes up its mind", async () => {
    let calls = 0;
    const errors: unknown[] = [];
    let decide = (): void => {};
    const app = express();
    app.use((_req, res, next) => {
      res.setTimeout(200, () => {
        if (res.headersSent) res.destroy();
        else res.status(503).end("too slow");
      });
      next();
    });
    app.get(
      "/quiet",
      eventStream(async () => {
        await new Promise((resolve) => setTimeout(resolve, 700));
      }),
    );
    app.get(
      "/slow",
      eventStream(() => void calls++, {
        authorize: () =>
          new Promise((resolve) => {
            decide = resolve;
          }),
        onError: (error) => errors.push(error),
      }),
    );
    const { url } = await serve(app);
    const quiet = await openStream(`${url}/quiet`);
    const slow = await openStream(`${url}/slow`);
    expect([slow.status, await slow.ended, slow.text]).toEqual([503, "complete", "too slow"]);
    decide();
    expect([await quiet.ended, quiet.events.at(-1)?.event]).toEqual(["complete", "sluice.end"]);
    expect([calls, errors]).toEqual([0, []]);
  });

  test("compression, which no-transform keeps out, is let in by Cache-Control, and delays no event", async () => {
    let take = (): void => {};
    const app = express();
    app.use(compression());
    app.get(
      "/",
      eventStream(
        async function* () {
          for (let step = 1; step <= 4; step++) {
            yield { data: `step ${step}` };
            await new Promise<void>((resolve) => {
              take = resolve;
            });
          }
        },
        { headers: { "Cache-Control": "no-store" } },
      ),
    );
    const { url } = await serve(app);
    const request = http.get(url, { headers: { Accept: "text/event-stream", "Accept-Encoding": "gzip" } });
    const [response] = (await once(request, "response")) as [IncomingMessage];
    expect(response.headers["content-encoding"]).toBe("gzip");
    let text = "";
    const unzipped = response.pipe(createGunzip());
    unzipped.on("data", (chunk: Buffer) => (text += chunk.toString()));
    for (let step = 1; step <= 4; step++) {
      await expect.poll(() => text, { timeout: 5000 }).toContain(`data: step ${step}\n\n`);
      take();
    }
    await once(unzipped, "end");
    expect(response.complete).toBe(true);
    expect(text).toContain("event: sluice.end\n");
  });

  test("an answer to a POST that breaks off behind compression loses nothing of what was sent", async () => {
    const data = Array.from({ length: 2000 }, () => Math.random().toString(36)).join(" ");
    const app = express();
    app.use(compression());
    app.post(
      "/",
      eventStream(
        async function* () {
          for (let i = 0; i < 5; i++) yield { data };
          throw new Error("failed");
        },
        { headers: { "Cache-Control": "no-store" }, onError: () => {} },
      ),
    );
    const { url } = await serve(app);
    const request = http.request(url, { method: "POST", headers: { "Accept-Encoding": "gzip" } }).end();
    const [response] = (await once(request, "response")) as [IncomingMessage];
    let text = "";
    const gunzip = createGunzip().on("data", (chunk: Buffer) => (text += chunk.toString()));
    response.on("data", (chunk: Buffer) => gunzip.write(chunk)).on("error", () => {});
    await new Promise((resolve) => response.on("close", resolve));
    await new Promise<void>((resolve) => gunzip.flush(resolve));
    expect([response.headers["content-encoding"], response.complete]).toEqual(["gzip", false]);
    expect(text).toBe(`:\n${`data: ${data}\n\n`.repeat(5)}`);
  });

  test("a client that stalls behind compression stops the source, and is cut off", async () => {
    let pulls = 0;
    let ended: unknown;
    const app = express();
    app.use(compression());
    app.get(
      "/",
      eventStream(
        async function* ({ closed }) {
          void closed.then((reason) => (ended = reason));
          // Text that does not compress, so that it fills the buffers.
          for (;;) {
            pulls++;
            yield { data: Buffer.from(crypto.getRandomValues(new Uint8Array(48_000))).toString("base64") };
          }
        },
        { headers: { "Cache-Control": "no-store" }, writeDeadline: 500 },
      ),
    );
    const { url } = await serve(app);
    const client = await openStream(url, { headers: { "Accept-Encoding": "gzip" } });
    client.pause();
    await expect.poll(() => ended, { timeout: 10_000 }).toBe("write-deadline");
    expect(pulls * 64_000).toBeLessThan(16 * 1024 * 1024);
  });
});
