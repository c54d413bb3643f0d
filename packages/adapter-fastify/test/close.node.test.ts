import { Agent } from "node:http";
import { eventStream } from "@sluice/adapter-fastify";
import { openSession, openStream } from "@sluice/testkit";
import { fastify } from "fastify";
import type { FastifyInstance, FastifyServerOptions } from "fastify";
import { describe, expect, onTestFinished, test } from "vitest";

/** Streams that have no end of their own, and why they ended all the same. */
function appWithStreams(options: FastifyServerOptions & { http2?: true } = {}): {
  readonly app: FastifyInstance;
  readonly reasons: readonly string[];
} {
  const app = fastify(options as FastifyServerOptions) as FastifyInstance;
  const reasons: string[] = [];
  app.get(
    "/events",
    eventStream(async function* ({ signal, closed }) {
      void closed.then((reason) => reasons.push(reason));
      yield { data: "ready" };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    }),
  );
  app.get("/hello", () => "hello");
  return { app, reasons };
}

describe.each([
  ["HTTP/1.1", {}],
  ["HTTP/2", { http2: true as const }],
])("over %s, close()", (_, { http2 }: { http2?: true }) => {
  test("ends the streams that are open, cleanly, and does not wait for their clients", async () => {
    const { app, reasons } = appWithStreams(http2 === undefined ? {} : { http2 });
    const url = await app.listen({ host: "127.0.0.1", port: 0 });
    // Clients that keep their connections, as browsers do.
    const agent = new Agent({ keepAlive: true });
    onTestFinished(() => agent.destroy());
    const session = http2 === undefined ? undefined : await openSession(url);
    onTestFinished(() => session?.destroy());
    const clients = await Promise.all(
      Array.from({ length: 20 }, () =>
        openStream(`${url}/events`, { http2: http2 === true, agent, session: session as never }),
      ),
    );
    await Promise.all(clients.map((client) => client.until(({ events }) => events.length === 1)));
    await app.close();
    expect(await Promise.all(clients.map(({ ended }) => ended))).toEqual(clients.map(() => "complete"));
    expect(reasons).toEqual(clients.map(() => "drained"));
    // No sluice.end: they are to come back.
    expect(clients[0]?.events).toEqual([{ data: "ready" }]);
  });

  test("lets preClose hooks have their streams, first", async () => {
    const { app } = appWithStreams(http2 === undefined ? {} : { http2 });
    let openInHook: boolean | undefined;
    app.addHook("preClose", async () => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      openInHook = client.end === undefined;
    });
    const url = await app.listen({ host: "127.0.0.1", port: 0 });
    const client = await openStream(`${url}/events`, { http2: http2 === true });
    await client.until(({ events }) => events.length === 1);
    await app.close();
    expect(openInHook).toBe(true);
  });
});

test("a stream that is admitted while Fastify closes ends at once, and close() does not wait", async () => {
  const app = fastify();
  let admit!: () => void;
  const asked = new Promise<() => void>((resolve) => {
    app.get(
      "/events",
      eventStream(
        async function* ({ signal }) {
          yield { data: "ready" };
          await new Promise((aborted) => signal.addEventListener("abort", aborted));
        },
        {
          authorize: () =>
            new Promise<void>((go) => {
              resolve(() => go());
            }),
        },
      ),
    );
  });
  app.get(
    "/open",
    eventStream(async ({ signal }) => void (await new Promise((go) => signal.addEventListener("abort", go)))),
  );
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  const open = await openStream(`${url}/open`);
  const late = openStream(`${url}/events`);
  admit = await asked;
  const closed = app.close();
  await open.ended;
  admit();
  expect(await (await late).ended).toBe("complete");
  await closed;
});

test("whoever listens for a server's close without closing it ends nothing", async () => {
  const { app, reasons } = appWithStreams();
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  const client = await openStream(`${url}/events`);
  await client.until(({ events }) => events.length === 1);
  app.server.once("close", () => {});
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect([client.end, reasons]).toEqual([undefined, []]);
  await app.close();
  expect(reasons).toEqual(["drained"]);
});

test("a server that has closed holds nothing against the next one", async () => {
  for (let turn = 0; turn < 3; turn++) {
    const { app, reasons } = appWithStreams();
    const client = await openStream(`${await app.listen({ host: "127.0.0.1", port: 0 })}/events`);
    await client.until(({ events }) => events.length === 1);
    expect(reasons).toEqual([]);
    await app.close();
  }
});
