import type { AddressInfo, Server, Socket } from "node:net";
import type { StartedServer } from "./stage.ts";

/**
 * Starts a server of `node:http`, `node:https`, `node:http2` or what is made of them, on a free port of the loopback.
 *
 * @param protocol how clients are to speak to it. Default HTTP/1.1 without TLS
 * @returns its URL; `close()` also breaks off every connection that is still open
 */
export async function serveNode(
  server: Server,
  protocol: { readonly tls?: boolean; readonly http2?: boolean } = {},
): Promise<StartedServer> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `${protocol.tls === true ? "https" : "http"}://127.0.0.1:${port}`,
    http2: protocol.http2 === true,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
