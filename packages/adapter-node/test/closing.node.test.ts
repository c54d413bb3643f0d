import { once } from "node:events";
import http, { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { eventStream } from "@sluice/adapter-node";
import { expect, test } from "vitest";

test("a server that is closing keeps no connection for a client that comes back", async () => {
  const handle = eventStream(() => [{ data: "hello" }]);
  let isLast = false;
  const server = createServer((req, res) => {
    if (isLast) server.close();
    handle(req, res);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const get = async (): Promise<string | undefined> => {
    const [response] = (await once(http.get({ port, host: "127.0.0.1", agent }), "response")) as [http.IncomingMessage];
    await once(response.resume(), "end");
    return response.headers.connection;
  };
  expect(await get()).toBe("keep-alive");
  isLast = true;
  const closed = once(server, "close");
  expect(await get()).toBe("close");
  await closed;
});
