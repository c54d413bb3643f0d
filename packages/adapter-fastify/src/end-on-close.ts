import type { Server as HttpServer } from "node:http";
import type { Server } from "node:net";
import type { NodeResponse } from "@sluice/adapter-node";
import type { Writer } from "@sluice/core";

/** What is open on each server. */
const streams = new WeakMap<Server, Map<Writer, NodeResponse>>();
const closing = new WeakSet<Server>();

/**
 * Ends a stream when its server closes, which waits for every response: an event stream may have no end of its own.
 *
 * @param res where the writer's stream goes
 */
export function endOnClose(server: Server, res: NodeResponse, writer: Writer): void {
  if (closing.has(server)) return end(server, res, writer);
  const open = streams.get(server) ?? openOn(server);
  open.set(writer, res);
  void writer.closed.then(() => open.delete(writer));
}

function openOn(server: Server): Map<Writer, NodeResponse> {
  const open = new Map<Writer, NodeResponse>();
  streams.set(server, open);
  // Fastify's hooks are fixed once it is ready, and a server says nothing when it begins to close; but whoever closes it
  // listens for the end. By then Fastify's preClose hooks have run.
  server.on("newListener", (event) => {
    if (event !== "close") return;
    setImmediate(() => {
      if (server.listening || closing.has(server)) return;
      closing.add(server);
      for (const [writer, res] of open) end(server, res, writer);
    });
  });
  return open;
}

function end(server: Server, res: NodeResponse, writer: Writer): void {
  // Node does this by itself from version 24 on.
  if ("stream" in res) res.stream.session?.close();
  // The server has looked for idle connections already, and would wait for this one until its keep-alive has timed out.
  else res.once("close", () => setImmediate(() => (server as HttpServer).closeIdleConnections?.()));
  writer.end("drained");
}
