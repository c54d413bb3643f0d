// The raw loop of Node's family: whatever the framework, what a client is written to is Node's response.
import type { Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { raw } from "../contender.ts";
import type { Contender } from "../contender.ts";

/**
 * @param take takes Node's response out of what the framework passes to a handler, and keeps the framework from ending it
 */
export function rawResponses<Args extends readonly unknown[]>(
  take: (...args: Args) => ServerResponse,
): Contender<(...args: Args) => void> {
  const stream =
    (clients: Set<ServerResponse>) =>
    (...args: Args): void => {
      const res = take(...args);
      res.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
      res.write(":\n\n");
      clients.add(res);
      res.once("close", () => clients.delete(res));
    };
  return raw(stream, Buffer.from, (res, bytes) => res.write(bytes));
}

/** Listens, and prints where. */
export function tellPort(server: Server): void {
  server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
    console.log((server.address() as AddressInfo).port);
  });
}
