import { createServer as createHttpServer } from "node:http";
import { createSecureServer, createServer as createH2cServer } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { eventStream } from "@sluice/adapter-node";
import type { NodeRequest, NodeResponse } from "@sluice/adapter-node";
import { adapterSuite, createFixtures, selfSigned, serveNode } from "@sluice/testkit";
import { describe } from "vitest";

function listener(): (req: NodeRequest, res: NodeResponse) => void {
  const { handlerFor } = createFixtures(eventStream, ({ res }, json) => res.end(json));
  return (req, res) => handlerFor(req.url ?? "/")?.(req, res);
}

describe("node:http", () => adapterSuite(() => serveNode(createHttpServer(listener()))));

describe("node:https", () => adapterSuite(() => serveNode(createHttpsServer(selfSigned(), listener()), { tls: true })));

describe("node:http2 over TLS", () =>
  adapterSuite(
    () => serveNode(createSecureServer(selfSigned(), listener()), { tls: true, http2: true }),
    {},
    { http2: true },
  ));

describe("node:http2 without TLS", () =>
  adapterSuite(() => serveNode(createH2cServer(listener()), { http2: true }), {}, { http2: true }));
