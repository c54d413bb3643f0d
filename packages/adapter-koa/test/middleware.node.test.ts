import { once } from "node:events";
import http from "node:http";
import type { IncomingMessage } from "node:http";
import { Transform } from "node:stream";
import type { Readable } from "node:stream";
import { constants, createGunzip } from "node:zlib";
import { bodyParser } from "@koa/bodyparser";
import cors from "@koa/cors";
import { Router } from "@koa/router";
import { eventStream } from "@sluice/adapter-koa";
import { connectAndReset, connectStalled, openStream, serveNode } from "@sluice/testkit";
import compression from "compression";
import Koa3 from "koa";
import { koaBody } from "koa-body";
import koaBodyparser from "koa-bodyparser";
import compress from "koa-compress";
import logger from "koa-logger";
import mount from "koa-mount";
import { createSession } from "koa-session";
import Koa2 from "koa2";
import { describe, expect, onTestFinished, test } from "vitest";

async function serve(app: Koa3): Promise<string> {
  const server = await serveNode(http.createServer(app.callback()));
  onTestFinished(() => server.close());
  return server.url;
}

/** What an app is told of, as text. */
function errorsOf(app: Koa3): readonly string[] {
  const errors: string[] = [];
  app.on("error", (error: Error) => errors.push(error.message));
  return errors;
}

/** A source that takes one step each time it is told to. */
function stepper(): { readonly source: () => AsyncGenerator<{ data: string }>; take(): void } {
  let take = (): void => {};
  return {
    async *source() {
      for (let step = 1; step <= 4; step++) {
        yield { data: `step ${step}` };
        await new Promise<void>((resolve) => {
          take = resolve;
        });
      }
    },
    take: () => take(),
  };
}

/** Asks for a gzipped stream, and sees each step arrive before the next is taken. */
async function expectStepsThroughGzip(url: string, { take }: { take(): void }): Promise<void> {
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
}

const untilItLeaves = async function* ({ signal }: { signal: AbortSignal }): AsyncGenerator<{ data: string }> {
  yield { data: "ready" };
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
};

describe.each([
  ["Koa 3", Koa3],
  ["Koa 2", Koa2],
])("%s", (_, Koa) => {
  test("headers that were set before, and those that are set on the way back, go out with the stream", async () => {
    const app = new Koa();
    app.use(cors({ origin: "https://example.com", credentials: true }));
    app.use(async (ctx, next) => {
      ctx.cookies.set("visitor", "1", { httpOnly: false });
      await next();
      expect(ctx.status).toBe(200);
      expect(ctx.type).toBe("text/event-stream");
      await new Promise((resolve) => setTimeout(resolve, 20));
      ctx.cookies.set("late", "1", { httpOnly: false });
      ctx.set("X-Response-Time", "20 ms");
    });
    app.use(eventStream(() => [{ data: "hello" }], { headers: { "Set-Cookie": "theme=dark", "X-Stream": "yes" } }));
    const client = await openStream(await serve(app), { headers: { Origin: "https://example.com" } });
    await client.ended;
    expect(client.headers).toMatchObject({
      "access-control-allow-origin": "https://example.com",
      "access-control-allow-credentials": "true",
      "x-response-time": "20 ms",
      "x-stream": "yes",
      "set-cookie": ["visitor=1; path=/", "theme=dark", "late=1; path=/"],
      "content-type": "text/event-stream; charset=utf-8",
    });
    expect(client.events[0]).toEqual({ data: "hello" });
  });

  test("a session that the source's request has changed is saved, and its cookie sent", async () => {
    const app = new Koa();
    app.keys = ["not a secret"];
    const errors = errorsOf(app);
    app.use(createSession({ rolling: true }, app));
    app.use(
      eventStream(({ native: { ctx } }) => [{ data: ctx["session"].user ?? "nobody" }], {
        authorize: ({ native: { ctx } }) => {
          ctx["session"].user ??= "ada";
        },
      }),
    );
    const url = await serve(app);
    const first = await openStream(url);
    await first.ended;
    const cookies = (first.headers["set-cookie"] as unknown as string[]).map((cookie) => cookie.split(";")[0]);
    expect(cookies).toEqual([expect.stringMatching(/^koa\.sess=/), expect.stringMatching(/^koa\.sess\.sig=/)]);
    const second = await openStream(url, { headers: { Cookie: cookies.join("; ") } });
    await second.ended;
    expect([first.events[0]?.data, second.events[0]?.data]).toEqual(["ada", "ada"]);
    expect(errors).toEqual([]);
  });

  test.each([
    ["@koa/bodyparser", bodyParser()],
    ["koa-bodyparser", koaBodyparser()],
    ["koa-body", koaBody()],
  ])("the source finds the body that %s has parsed, and notices when its client leaves", async (_name, parser) => {
    const app = new Koa();
    let reason: string | undefined;
    app.use(parser);
    app.use(
      eventStream(async function* ({ native: { ctx }, signal, closed }) {
        void closed.then((why) => (reason = why));
        yield { data: ctx["request"].body };
        yield* untilItLeaves({ signal });
      }),
    );
    const client = await openStream(await serve(app), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: '{"prompt":"hello"}',
    });
    await client.until(({ events }) => events.length === 2);
    expect(client.events[0]).toEqual({ data: '{"prompt":"hello"}' });
    client.leave();
    await expect.poll(() => reason).toBe("disconnected");
  });

  test("a logger sees the status, and the end when it comes", async () => {
    const lines: string[] = [];
    const app = new Koa();
    // oxlint-disable-next-line no-control-regex
    app.use(logger((line) => lines.push(line.replaceAll(/\x1b\[\d+m/g, "").trim())));
    app.use(eventStream(untilItLeaves, { authorize: ({ url }) => url.pathname !== "/forbidden" }));
    const url = await serve(app);
    const client = await openStream(`${url}/stream`);
    await client.until(({ events }) => events.length === 1);
    expect(lines).toEqual(["<-- GET /stream"]);
    client.leave();
    await expect.poll(() => lines[1]).toMatch(/(-->|-x-) GET \/stream 200 /);
    await (
      await openStream(`${url}/forbidden`)
    ).ended;
    await expect.poll(() => lines[3]).toMatch(/--> GET \/forbidden 403 /);
  });

  test("a middleware that answers refusals with a page of its own still does", async () => {
    const app = new Koa();
    app.use(async (ctx, next) => {
      await next();
      if (ctx.status === 403) ctx.body = { error: "not for you" };
    });
    app.use(eventStream(() => [{ data: "hello" }], { authorize: () => false }));
    const client = await openStream(await serve(app));
    await client.ended;
    expect(client.text).toBe('{"error":"not for you"}');
  });

  test("a middleware that listens to the body, or pipes it through something, gets every byte", async () => {
    const heard: string[] = [];
    const app = new Koa();
    app.use(async (ctx, next) => {
      await next();
      const body = ctx.body as Readable;
      if (ctx.path === "/shout") {
        ctx.body = body.pipe(
          new Transform({ transform: (chunk, _encoding, done) => done(null, String(chunk).toUpperCase()) }),
        );
      } else body.on("data", (chunk: Buffer) => heard.push(chunk.toString()));
    });
    app.use(
      eventStream(async function* () {
        for (let step = 1; step <= 100; step++) {
          yield { data: `step ${step}` };
          if (step % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
      }),
    );
    const url = await serve(app);
    const steps = Array.from({ length: 100 }, (_unused, index) => `step ${index + 1}`);
    const shout = await openStream(`${url}/shout`);
    expect(await shout.ended).toBe("complete");
    expect(shout.text.match(/STEP \d+/g)).toEqual(steps.map((step) => step.toUpperCase()));
    const plain = await openStream(`${url}/plain`);
    expect(await plain.ended).toBe("complete");
    expect(plain.events.map(({ data }) => data)).toEqual([...steps, "{}"]);
    expect(heard.join("")).toBe(plain.text);
  });

  test("an error of a middleware on the way back is answered as any, and the source is stopped", async () => {
    const app = new Koa();
    const errors = errorsOf(app);
    let reason: string | undefined;
    app.use(async (_ctx, next) => {
      await next();
      throw new Error("the session could not be saved");
    });
    app.use(
      eventStream((connection) => {
        void connection.closed.then((why) => (reason = why));
        return untilItLeaves(connection);
      }),
    );
    const client = await openStream(await serve(app));
    await client.ended;
    expect([client.status, client.text]).toEqual([500, "Internal Server Error"]);
    expect(errors).toEqual(["the session could not be saved"]);
    await expect.poll(() => reason).toBe("disconnected");
  });

  test("a connection that a middleware lost on the way back is an error as any, not a client that left", async () => {
    const app = new Koa();
    const errors = errorsOf(app);
    app.use(async (_ctx, next) => {
      await next();
      throw Object.assign(new Error("the store is gone"), { code: "ECONNRESET" });
    });
    app.use(eventStream(() => [{ data: "hello" }]));
    const client = await openStream(await serve(app));
    await client.ended;
    expect(client.status).toBe(500);
    expect(errors).toEqual(["the store is gone"]);
  });

  test("clients that leave, are reset or are cut off are no errors of the app", async () => {
    const app = new Koa();
    const errors = errorsOf(app);
    const reasons: string[] = [];
    app.use(
      eventStream(
        async function* ({ url, signal, closed }) {
          void closed.then((reason) => reasons.push(reason));
          if (url.pathname === "/quiet") return yield* untilItLeaves({ signal });
          for (;;) yield { data: "x".repeat(60_000) };
        },
        {
          writeDeadline: 500,
          authorize: async ({ url, signal, closed }) => {
            if (url.pathname !== "/slow") return;
            void closed.then((reason) => reasons.push(reason));
            await new Promise((resolve) => signal.addEventListener("abort", resolve));
          },
        },
      ),
    );
    const url = await serve(app);
    const client = await openStream(`${url}/quiet`);
    client.leave();
    await connectAndReset(`${url}/quiet`);
    await connectAndReset(`${url}/busy`);
    const stalled = await connectStalled(`${url}/busy`);
    const impatient = await connectStalled(`${url}/slow`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    impatient.resetAndDestroy();
    await expect.poll(() => reasons.length, { timeout: 10_000 }).toBe(5);
    expect(reasons.toSorted()).toEqual([...Array<string>(4).fill("disconnected"), "write-deadline"]);
    stalled.destroy();
    expect(errors).toEqual([]);
  });

  test("otherwise answers from the same route, and passes on to the next middleware", async () => {
    const app = new Koa();
    const router = new Router();
    router.get(
      "/status",
      eventStream(() => [{ data: "live" }], { otherwise: ({ ctx }) => (ctx.body = { live: false }) }),
    );
    router.get(
      "/page",
      eventStream(() => [{ data: "live" }], { otherwise: ({ next }) => next() }),
      (ctx) => {
        ctx.body = "the page";
      },
    );
    router.get(
      "/broken",
      eventStream(() => [], { otherwise: ({ ctx }) => ctx.throw(503, "no page") }),
    );
    app.silent = true;
    app.use(router.routes());
    const url = await serve(app);
    const ask = async (path: string): Promise<unknown> => {
      const client = await openStream(url + path, { headers: { Accept: "text/html" } });
      await client.ended;
      return [client.status, client.text];
    };
    expect(await ask("/status")).toEqual([200, '{"live":false}']);
    expect(await ask("/page")).toEqual([200, "the page"]);
    expect(await ask("/broken")).toEqual([503, "Service Unavailable"]);
    const stream = await openStream(`${url}/status`);
    await stream.ended;
    expect(stream.events[0]).toEqual({ data: "live" });
  });

  test("the URL is the whole one inside a mounted app, and a router's parameters are in native.ctx", async () => {
    const inner = new Koa();
    const router = new Router();
    router.get(
      "/jobs/:id",
      eventStream(({ url, native: { ctx } }) => [{ data: [url.pathname + url.search, ctx["params"].id] }]),
    );
    inner.use(router.routes());
    const app = new Koa();
    app.use(mount("/api", inner));
    const client = await openStream(`${await serve(app)}/api/jobs/7?a=b`);
    await client.ended;
    expect(client.events[0]).toEqual({ data: '["/api/jobs/7?a=b","7"]' });
  });

  test("koa-compress keeps out, and lets events through at once, also where Cache-Control lets it in", async () => {
    const steps = stepper();
    const app = new Koa();
    app.use(compress({ threshold: 0 }));
    app.use(eventStream(steps.source, { headers: { "Cache-Control": "no-store" } }));
    const client = await openStream(await serve(app), { headers: { "Accept-Encoding": "gzip" } });
    expect(client.headers["content-encoding"]).toBeUndefined();
    for (let step = 1; step <= 4; step++) {
      await client.until(({ events }) => events.at(-1)?.data === `step ${step}`);
      steps.take();
    }
    expect(await client.ended).toBe("complete");
  });

  test("koa-compress that is told to flush compresses, where ctx.compress and Cache-Control ask for it", async () => {
    const steps = stepper();
    const app = new Koa();
    app.use(compress({ gzip: { flush: constants.Z_SYNC_FLUSH } }));
    app.use((ctx, next) => {
      ctx["compress"] = true;
      return next();
    });
    app.use(eventStream(steps.source, { headers: { "Cache-Control": "no-store" } }));
    await expectStepsThroughGzip(await serve(app), steps);
  });

  test("compression of the response itself, by a middleware made for Express, is flushed", async () => {
    const steps = stepper();
    const app = new Koa();
    app.use((ctx, next) =>
      new Promise((resolve) => compression()(ctx.req as never, ctx.res as never, resolve)).then(next),
    );
    app.use(eventStream(steps.source, { headers: { "Cache-Control": "no-store" } }));
    await expectStepsThroughGzip(await serve(app), steps);
  });
});
