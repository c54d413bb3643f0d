import type { AddressInfo } from "node:net";
import fastifyCompress from "@fastify/compress";
import fastifyCookie from "@fastify/cookie";
import fastifyCors from "@fastify/cors";
import { eventStream } from "@sluice/adapter-fastify";
import type { FastifyHandler, FastifyNative } from "@sluice/adapter-fastify";
import { adapterSuite, createFixtures, selfSigned } from "@sluice/testkit";
import type { StartedServer } from "@sluice/testkit";
import { fastify } from "fastify";
import type { FastifyInstance } from "fastify";
import { describe } from "vitest";

/** How long these servers let a connection be idle, in ms: shorter than the default keep-alive. */
const idleLimit = 2000;

/** The fixtures on an app, behind what apps have in front of their routes. */
async function start(
  app: FastifyInstance,
  inFront: (app: FastifyInstance) => Promise<void> = async () => {},
): Promise<StartedServer> {
  const { handlerFor, paths } = createFixtures<FastifyNative, FastifyHandler>(
    eventStream,
    ({ reply }, json) => reply.type("application/json").send(json),
    {
      readBody: ({ request }) => request.body,
      setHeader: ({ reply }, name, value) => void reply.header(name, value),
    },
  );
  await inFront(app);
  const method = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"];
  for (const url of paths) app.route({ method, url, handler: (...args) => handlerFor(url)?.(...args) });
  await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const isHttp2 = app.initialConfig.http2 === true;
  const isTls = app.initialConfig.https !== undefined;
  return {
    url: `${isTls ? "https" : "http"}://127.0.0.1:${port}`,
    http2: isHttp2,
    idleLimit,
    close: () => app.close(),
  };
}

async function everything(app: FastifyInstance): Promise<void> {
  await app.register(fastifyCors, { credentials: true, preflightContinue: true, strictPreflight: false });
  await app.register(fastifyCompress);
  await app.register(fastifyCookie);
  app.addHook("onRequest", async (_, reply) => {
    reply.setCookie("theme", "dark");
  });
  app.addHook("onSend", async (_, reply, payload) => {
    reply.header("X-Response-Time", `${reply.elapsedTime} ms`);
    return payload;
  });
}

describe("Fastify 5", () =>
  adapterSuite(
    () => start(fastify({ connectionTimeout: idleLimit })),
    {},
    { platform: "Fastify 5", framework: true, pipelining: true },
  ));

describe("Fastify 5 behind CORS, compression, cookies and a clock", () =>
  adapterSuite(
    () => start(fastify({ connectionTimeout: idleLimit }), everything),
    {},
    { framework: true, pipelining: true },
  ));

describe("Fastify 5 over HTTP/2", () =>
  adapterSuite(
    () => start(fastify({ http2: true, connectionTimeout: idleLimit }) as unknown as FastifyInstance),
    {},
    { platform: "Fastify 5 over HTTP/2", framework: true, http2: true },
  ));

describe("Fastify 5 over HTTP/2 and TLS, behind CORS, compression, cookies and a clock", () =>
  adapterSuite(
    () =>
      start(
        fastify({ http2: true, https: selfSigned(), connectionTimeout: idleLimit }) as unknown as FastifyInstance,
        everything,
      ),
    {},
    { framework: true, http2: true },
  ));
