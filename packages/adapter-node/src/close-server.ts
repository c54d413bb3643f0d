import type { Server as HttpServer } from "node:http";
import type { Server as HttpsServer } from "node:https";
import type { Hub } from "@sluice/core";

/** Options of {@link closeServer}. */
export interface CloseServerOptions {
  /** The hub, or hubs, whose connections are ended first. Without one, streams are cut off when the time is up. */
  readonly hub?: Hub | readonly Hub[] | undefined;
  /** How long all of it may take, in ms: goodbyes are spread over the first four fifths. Default 10,000. */
  readonly within?: number | undefined;
}

/**
 * Shuts a server of `node:http` or `node:https` down without a crowd coming back at once: drains the hub, which tells each
 * client when to come back, while the server still answers; then stops listening, closes connections that are kept alive
 * for nothing, and waits for requests that are being answered. What is left when the time is up is cut off.
 *
 * An HTTP/2 server keeps no list of its sessions, so this cannot close it: keep one, and `close()` each after the drain.
 *
 * A connection that was upgraded, a WebSocket's, is not the server's any more: end it before. It is waited for until the
 * time is up.
 *
 * @returns resolves when the port is free and no connection is open, or the time is up; also where the server was not
 * listening
 * @throws {SluiceError} `invalid-option`, as `hub.drain` does
 *
 * @example
 * ```ts
 * import { createServer } from "node:http";
 * import { closeServer, eventStream } from "@sluice/adapter-node";
 * import { createHub } from "@sluice/core";
 *
 * const hub = createHub();
 * const server = createServer(eventStream(hub.channel("news")));
 * await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
 * // Where the platform says that it is time: process.once("SIGTERM", …)
 * await closeServer(server, { hub, within: 2000 });
 * await hub.close();
 * console.assert(!server.listening);
 * ```
 */
export async function closeServer(
  server: HttpServer | HttpsServer,
  { hub = [], within = 10_000 }: CloseServerOptions = {},
): Promise<void> {
  const startedAt = performance.now();
  await Promise.all([hub].flat().map((each) => each.drain({ within: within * 0.8 })));
  await new Promise<void>((resolve) => {
    // Node looks once: a connection whose last answer is still on its way would be waited for until its keep-alive is over.
    const idle = setInterval(() => server.closeIdleConnections(), 20);
    const done = (): void => {
      clearInterval(idle);
      clearTimeout(end);
      resolve();
    };
    const end = setTimeout(
      () => {
        server.closeAllConnections();
        // A connection that was upgraded is not among them, and the server would not be closed before it is.
        done();
      },
      within - (performance.now() - startedAt),
    );
    server.close(done);
  });
}
