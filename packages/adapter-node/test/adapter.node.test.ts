import { createServer as createHttpServer } from "node:http";
import { createSecureServer, createServer as createH2cServer } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { eventStream } from "@sluice/adapter-node";
import type { NodeRequest, NodeResponse } from "@sluice/adapter-node";
import { adapterSuite, createFixtures, selfSigned, serveNode } from "@sluice/testkit";
import { describe } from "vitest";

function listener(): (req: NodeRequest, res: NodeResponse) => void {
  const { handlerFor } = createFixtures(eventStream, ({ res }, json) => res.end(json), {
    readBody: async ({ req }) => Buffer.concat(await req.toArray()).toString(),
    setHeader: ({ res }, name, value) => res.setHeader(name, value),
  });
  return (req, res) => handlerFor(req.url ?? "/")?.(req, res);
}

/** How long these servers let a connection be idle, in ms: shorter than the default keep-alive. */
const idleLimit = 2000;

describe("node:http", () =>
  adapterSuite(
    async () => ({ ...(await serveNode(createHttpServer(listener()).setTimeout(idleLimit))), idleLimit }),
    {},
    { platform: "node:http", framework: true, pipelining: true },
  ));

describe("node:https", () =>
  adapterSuite(
    async () => {
      const server = createHttpsServer(selfSigned(), listener()).setTimeout(idleLimit);
      return { ...(await serveNode(server, { tls: true })), idleLimit };
    },
    {},
    { platform: "node:https", framework: true, pipelining: true },
  ));

describe("node:http2 over TLS", () =>
  adapterSuite(
    () => serveNode(createSecureServer(selfSigned(), listener()), { tls: true, http2: true }),
    {},
    { platform: "node:http2 over TLS", http2: true, framework: true },
  ));

describe("node:http2 without TLS", () =>
  adapterSuite(
    () => serveNode(createH2cServer(listener()), { http2: true }),
    {},
    { platform: "node:http2 without TLS", http2: true, framework: true },
  ));
