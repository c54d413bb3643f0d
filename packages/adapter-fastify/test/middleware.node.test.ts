import { once } from "node:events";
import http from "node:http";
import type { IncomingMessage } from "node:http";
import type { Http2ServerResponse } from "node:http2";
import { createGunzip } from "node:zlib";
import fastifyCompress from "@fastify/compress";
import fastifyCookie from "@fastify/cookie";
import fastifyCors from "@fastify/cors";
import middie from "@fastify/middie";
import fastifySession from "@fastify/session";
import { eventStream } from "@sluice/adapter-fastify";
import { connectAndReset, openStream } from "@sluice/testkit";
import compression from "compression";
import { fastify } from "fastify";
import type { FastifyInstance } from "fastify";
import { expect, expectTypeOf, onTestFinished, test } from "vitest";

declare module "fastify" {
  interface Session {
    user?: string;
  }
}

async function serve(app: FastifyInstance): Promise<string> {
  onTestFinished(async () => {
    app.server.closeAllConnections();
    await app.close();
  });
  return app.listen({ host: "127.0.0.1", port: 0 });
}

const untilItLeaves = async function* ({ signal }: { signal: AbortSignal }): AsyncGenerator<{ data: string }> {
  yield { data: "ready" };
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
};

test("every hook runs, in its turn, and sees what it would of any other answer", async () => {
  const app = fastify();
  const seen: string[] = [];
  app.addHook("onRequest", async () => void seen.push("onRequest"));
  app.addHook("preHandler", async () => void seen.push("preHandler"));
  app.addHook("onSend", async (_request, reply, payload) => {
    seen.push(`onSend ${reply.statusCode} ${String(reply.getHeader("content-type"))}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    reply.header("X-Late", "yes");
    return payload;
  });
  app.addHook("onResponse", async (_request, reply) => void seen.push(`onResponse ${reply.statusCode}`));
  app.addHook("onError", async () => void seen.push("onError"));
  app.get(
    "/",
    eventStream(() => [{ data: "hello" }]),
  );
  const client = await openStream(await serve(app));
  await client.ended;
  expect(client.headers["x-late"]).toBe("yes");
  expect(client.events[0]).toEqual({ data: "hello" });
  await expect
    .poll(() => seen)
    .toEqual(["onRequest", "preHandler", "onSend 200 text/event-stream; charset=utf-8", "onResponse 200"]);
});

test("headers and cookies of plugins and of Node's own response survive, beside those of the stream", async () => {
  const app = fastify();
  await app.register(fastifyCors, { origin: "https://example.com", credentials: true });
  await app.register(fastifyCookie);
  await app.register(middie);
  app.use((_req, res, next) => {
    res.setHeader("Set-Cookie", "raw=1");
    res.setHeader("X-Request-Id", "42");
    next();
  });
  app.addHook("onRequest", async (_request, reply) => void reply.setCookie("visitor", "1"));
  app.addHook("onSend", async (_request, reply) => void reply.setCookie("late", "1"));
  app.get(
    "/",
    eventStream(() => [{ data: "hello" }], { headers: { "Set-Cookie": "theme=dark", "X-Stream": "yes" } }),
  );
  const client = await openStream(await serve(app), { headers: { Origin: "https://example.com" } });
  await client.ended;
  expect(client.headers).toMatchObject({
    "access-control-allow-origin": "https://example.com",
    "access-control-allow-credentials": "true",
    "x-request-id": "42",
    "x-stream": "yes",
    "content-type": "text/event-stream; charset=utf-8",
  });
  const cookies = (client.headers["set-cookie"] as unknown as string[]).map((cookie) => cookie.split(";")[0]);
  expect(cookies.toSorted()).toEqual(["late=1", "raw=1", "theme=dark", "visitor=1"]);
});

test("a session that was changed for the stream is saved, and its cookie sent", async () => {
  const app = fastify();
  await app.register(fastifyCookie);
  await app.register(fastifySession, { secret: "a secret of at least 32 characters", cookie: { secure: false } });
  app.get(
    "/",
    eventStream(({ native: { request } }) => [{ data: request.session.user }], {
      authorize: ({ native: { request } }) => void (request.session.user ??= "ada"),
    }),
  );
  const url = await serve(app);
  const first = await openStream(url);
  await first.ended;
  const [cookie = ""] = String(first.headers["set-cookie"]).split(";");
  expect(cookie).toMatch(/^sessionId=/);
  const second = await openStream(url, { headers: { Cookie: cookie } });
  await second.ended;
  expect(second.events[0]).toEqual({ data: "ada" });
});

test("the source finds the parsed body of a POST, typed as its route is", async () => {
  const app = fastify();
  interface Route {
    Body: { prompt: string };
    Params: { room: string };
  }
  app.post<Route>(
    "/rooms/:room",
    eventStream(({ native: { request } }) => [
      { data: `${request.params.room}: ${request.body.prompt.toUpperCase()}` },
    ]),
  );
  const client = await openStream(`${await serve(app)}/rooms/blue`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: '{"prompt":"hello"}',
  });
  await client.ended;
  expect(client.events).toEqual([{ data: "blue: HELLO" }]);
});

test("a request that a schema refuses gets Fastify's answer, and no source is called", async () => {
  const app = fastify();
  let calls = 0;
  const schema = { querystring: { type: "object", required: ["room"], properties: { room: { type: "string" } } } };
  app.get(
    "/",
    { schema },
    eventStream(() => void calls++),
  );
  const client = await openStream(await serve(app));
  await client.ended;
  expect([client.status, calls]).toEqual([400, 0]);
});

test("otherwise answers from the same route, with what it returns, sends or throws", async () => {
  const app = fastify();
  app.get(
    "/returns",
    eventStream(() => [{ data: "live" }], { otherwise: () => ({ live: false }) }),
  );
  app.get(
    "/promises",
    eventStream(() => [{ data: "live" }], { otherwise: async () => ({ live: false }) }),
  );
  app.get(
    "/sends",
    eventStream(() => [{ data: "live" }], { otherwise: ({ reply }) => void reply.type("text/html").send("<p>") }),
  );
  app.get(
    "/throws",
    eventStream(() => [{ data: "live" }], {
      otherwise: () => {
        throw Object.assign(new Error("no page"), { statusCode: 503 });
      },
    }),
  );
  app.get(
    "/rejects",
    eventStream(() => [{ data: "live" }], { otherwise: () => Promise.reject(new Error("no page")) }),
  );
  const url = await serve(app);
  const ask = async (path: string): Promise<unknown> => {
    const client = await openStream(url + path, { headers: { Accept: "text/html, */*" } });
    await client.ended;
    return [client.status, client.text.includes("no page") ? "no page" : client.text];
  };
  expect(await ask("/returns")).toEqual([200, '{"live":false}']);
  expect(await ask("/promises")).toEqual([200, '{"live":false}']);
  expect(await ask("/sends")).toEqual([200, "<p>"]);
  expect(await ask("/throws")).toEqual([503, "no page"]);
  expect(await ask("/rejects")).toEqual([500, "no page"]);
  const stream = await openStream(`${url}/returns`);
  await stream.ended;
  expect(stream.events[0]).toEqual({ data: "live" });
});

test("the HEAD route that Fastify makes for a GET route has its headers, and calls no source", async () => {
  const app = fastify();
  let calls = 0;
  app.get(
    "/",
    eventStream(() => void calls++),
  );
  const client = await openStream(await serve(app), { method: "HEAD" });
  await client.ended;
  expect([client.status, client.headers["content-type"], calls]).toEqual([200, "text/event-stream; charset=utf-8", 0]);
  expect(client.headers["content-length"]).toBeUndefined();
});

test("an error of onSend is answered as any, and the source is stopped", async () => {
  const app = fastify();
  let reason: string | undefined;
  app.addHook("onSend", async () => {
    if (reason === undefined) throw new Error("the session could not be saved");
  });
  app.get(
    "/",
    eventStream((connection) => {
      void connection.closed.then((why) => (reason = why));
      return untilItLeaves(connection);
    }),
  );
  const client = await openStream(await serve(app));
  expect(client.status).toBe(500);
  await expect.poll(() => reason).toBe("disconnected");
});

test("a header that Node refuses is answered with 500, and the source is stopped", async () => {
  const app = fastify();
  let reason: string | undefined;
  app.addHook("onRequest", async (_request, reply) => void reply.header("X-Name", "größe 🎉"));
  app.get(
    "/events",
    eventStream((connection) => {
      void connection.closed.then((why) => (reason = why));
      return untilItLeaves(connection);
    }),
  );
  const client = await openStream(`${await serve(app)}/events`);
  expect(client.status).toBe(500);
  await expect.poll(() => reason).toBe("disconnected");
});

test("clients that leave or are reset are nothing to Fastify's error handler, nor to its log from warnings up", async () => {
  const lines: { level: number; msg: string }[] = [];
  const app = fastify({
    logger: { level: "info", stream: { write: (line: string) => void lines.push(JSON.parse(line)) } },
  });
  const errors: unknown[] = [];
  app.addHook("onError", async (_request, _reply, error) => void errors.push(error));
  app.setErrorHandler((error) => void errors.push(error));
  const reasons: string[] = [];
  let aborts = 0;
  app.addHook("onRequestAbort", async (_request) => void aborts++);
  app.get(
    "/:kind",
    eventStream(async function* ({ url, signal, closed }) {
      void closed.then((reason) => reasons.push(reason));
      if (url.pathname === "/quiet") return yield* untilItLeaves({ signal });
      for (;;) yield { data: "x".repeat(60_000) };
    }),
  );
  const url = await serve(app);
  const client = await openStream(`${url}/quiet`);
  await client.until(({ events }) => events.length === 1);
  client.leave();
  await connectAndReset(`${url}/quiet`);
  await connectAndReset(`${url}/busy`);
  await expect.poll(() => reasons).toEqual(["disconnected", "disconnected", "disconnected"]);
  await expect.poll(() => aborts).toBe(3);
  expect(errors).toEqual([]);
  expect(lines.filter(({ level, msg }) => level >= 40 && msg !== "request errored")).toEqual([]);
});

test("handlerTimeout, which ends whatever it finds, is raised for the route of a stream", async () => {
  const app = fastify({ handlerTimeout: 300 });
  app.get("/short", eventStream(untilItLeaves));
  app.get("/long", { handlerTimeout: 2 ** 31 - 1 }, eventStream(untilItLeaves));
  const url = await serve(app);
  const [short, long] = await Promise.all([openStream(`${url}/short`), openStream(`${url}/long`)]);
  expect(await short.ended).toBe("broken");
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(long.end).toBeUndefined();
  long.leave();
});

test("@fastify/compress keeps out, and lets events through at once, also where Cache-Control lets it in", async () => {
  let take = (): void => {};
  const app = fastify();
  await app.register(fastifyCompress, { threshold: 0 });
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
  const client = await openStream(await serve(app), { headers: { "Accept-Encoding": "gzip" } });
  expect(client.headers["content-encoding"]).toBeUndefined();
  for (let step = 1; step <= 4; step++) {
    await client.until(({ events }) => events.at(-1)?.data === `step ${step}`);
    take();
  }
  expect(await client.ended).toBe("complete");
});

test("compression of Node's own response, by a middleware made for Express, is flushed", async () => {
  let take = (): void => {};
  const app = fastify();
  await app.register(middie);
  app.use(compression() as Parameters<typeof app.use>[1]);
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
  const request = http.get(await serve(app), { headers: { Accept: "text/event-stream", "Accept-Encoding": "gzip" } });
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
  expect(text).toContain("event: sluice.end\n");
});

test("inject() has the whole of a stream that ends, without a socket", async () => {
  const app = fastify();
  app.get(
    "/events",
    eventStream(({ url }) => [{ data: url.pathname }]),
  );
  const response = await app.inject({ url: "/events", headers: { accept: "text/event-stream" } });
  expect(response.statusCode).toBe(200);
  expect(response.body).toContain("data: /events\n\nevent: sluice.end\n");
});

test("the URL is the one that was asked for, where rewriteUrl sends it elsewhere", async () => {
  const app = fastify({ rewriteUrl: () => "/inner" });
  app.get(
    "/inner",
    eventStream(({ url }) => [{ data: url.pathname + url.search }]),
  );
  const client = await openStream(`${await serve(app)}/outer?a=b`);
  await client.ended;
  expect(client.events[0]).toEqual({ data: "/outer?a=b" });
});

test("a handler has the types of its route and of its server", async () => {
  const app = fastify({ http2: true });
  app.get<{ Params: { id: string } }>(
    "/jobs/:id",
    eventStream(({ native: { request, reply } }) => {
      expectTypeOf(request.params).toEqualTypeOf<{ id: string }>();
      expectTypeOf(reply.raw).toEqualTypeOf<Http2ServerResponse>();
      return [{ data: request.params.id }];
    }),
  );
  const response = await app.inject({ url: "/jobs/7", headers: { accept: "text/event-stream" } });
  expect(response.body).toContain("data: 7\n\n");
});

test("a client that leaves is noticed though nobody reads the body of its POST", async () => {
  let reason: string | undefined;
  const app = fastify();
  // Leaves the body to the handler.
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));
  app.post(
    "/",
    eventStream(
      (connection) => {
        void connection.closed.then((why) => (reason = why));
        return untilItLeaves(connection);
      },
      { keepAlive: false },
    ),
  );
  const headers = { "Content-Type": "application/octet-stream" };
  const url = await serve(app);
  for (const size of [300_000, 3_000_000]) {
    reason = undefined;
    const client = await openStream(url, { method: "POST", headers, body: "x".repeat(size) });
    await client.until(({ events }) => events.length > 0);
    client.leave();
    await expect.poll(() => reason, { timeout: 2500 }).toBe("disconnected");
  }
});
