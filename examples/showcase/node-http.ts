import type { RequestListener, Server } from "node:http";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import type { Bound } from "./listen.ts";

/** What came in at a Node server, as a `Request`. */
export function requestFrom(req: IncomingMessage): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(req.headers)) headers.set(name, String(value));
  const { method = "GET" } = req;
  const hasBody = method !== "GET" && method !== "HEAD";
  // Whoever asks may name no host, or none that is one.
  const url = new URL(`http://localhost${req.url?.startsWith("/") === true ? req.url : "/"}`);
  return new Request(url, {
    method,
    headers,
    ...(hasBody && { body: Readable.toWeb(req) as ReadableStream<Uint8Array>, duplex: "half" as const }),
  });
}

/** Sends a short answer. */
export async function send(response: Response, res: ServerResponse): Promise<void> {
  const body = new Uint8Array(await response.arrayBuffer());
  res.writeHead(response.status, Object.fromEntries(response.headers));
  res.end(res.req.method === "HEAD" ? undefined : body);
}

/** Breaks a connection as the network does: no last chunk, no FIN, a reset. */
export function resetterOf({ socket }: IncomingMessage): () => void {
  return () => void socket.resetAndDestroy();
}

/** Listens with any of Node's frameworks. */
export function bindNode(listener: RequestListener): (port: number, host: string) => Promise<Bound> {
  return async (port, host) => {
    const server = createServer(listener);
    await listening(server, port, host);
    return { port: (server.address() as AddressInfo).port, close: () => closing(server) };
  };
}

function listening(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** Resolves when nothing is open any more. Streams have ended by now, and connections that are kept alive are idle. */
function closing(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), 500).unref();
  });
}
