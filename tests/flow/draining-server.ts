// A server as people deploy it, in a process of its own: `draining-server.ts http1 | http2 WITHIN`. It prints its URL, and on
// SIGTERM drains for up to so many ms; nothing but that is to end it.
import { createServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { Http2Server, ServerHttp2Session } from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { closeServer, eventStream } from "@sluice/adapter-node";
import type { NodeHandler } from "@sluice/adapter-node";
import { createHub } from "@sluice/core";

const within = Number(process.argv[3]);
const hub = createHub();
const news = hub.channel("news");
const flood = hub.channel("flood");
const streams = new Map([
  ["/news", eventStream(news)],
  ["/flood", eventStream(flood)],
]);
const publishing = [
  setInterval(() => void news.publish({ data: "news" }), 500),
  // A few seconds of it fill every buffer of a client that does not read.
  setInterval(() => void flood.publish({ data: ".".repeat(100_000) }), 20),
];
const handler: NodeHandler = (req, res) => {
  const stream = streams.get(req.url ?? "");
  if (stream !== undefined) return stream(req, res);
  // How many connections hold all that they can.
  const body = `data: ${hub.stats().full}\n\n`;
  if ("stream" in res) res.end(body);
  else res.end(body);
};
const { server, close } = process.argv[2] === "http2" ? overHttp2() : overHttp1();
server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});

process.once("SIGTERM", async () => {
  await close();
  for (const timer of publishing) clearInterval(timer);
  await hub.close();
});

function overHttp1(): { server: Server; close(): Promise<void> } {
  const http1 = createServer(handler);
  return { server: http1, close: () => closeServer(http1, { hub, within }) };
}

function overHttp2(): { server: Http2Server; close(): Promise<void> } {
  const http2 = createHttp2Server(handler);
  const sessions = new Set<ServerHttp2Session>();
  http2.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  return {
    server: http2,
    async close() {
      await hub.drain({ within: within / 2 });
      const closed = new Promise((resolve) => http2.close(resolve));
      for (const session of sessions) session.close();
      const end = setTimeout(() => sessions.forEach((session) => session.destroy()), within / 2);
      await closed;
      clearTimeout(end);
    },
  };
}
