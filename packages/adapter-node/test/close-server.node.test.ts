import { once } from "node:events";
import http, { createServer } from "node:http";
import type { IncomingMessage, Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { closeServer, eventStream } from "@sluice/adapter-node";
import { createHub, memoryStore } from "@sluice/core";
import { connectStalled, openStream } from "@sluice/testkit";
import { expect, onTestFinished, test } from "vitest";

async function listen(server: Server, port = 0): Promise<string> {
  server.listen(port, "127.0.0.1");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("closeServer says goodbye to all clients, which come back to the next server on the port and miss nothing", async () => {
  const store = memoryStore();
  const hub = createHub({ store });
  const server = createServer(eventStream(hub.channel("news")));
  const url = await listen(server);
  const agent = new http.Agent({ keepAlive: true });
  onTestFinished(() => agent.destroy());
  const clients = await Promise.all(Array.from({ length: 20 }, () => openStream(url, { agent })));
  await Promise.all(clients.map((client) => client.until(({ events }) => events.length === 1)));
  await closeServer(server, { hub, within: 1000 });
  for (const client of clients) {
    expect([await client.ended, client.events.length]).toEqual(["complete", 1]);
    expect(client.reconnectionTime).toBeGreaterThan(0);
  }
  await hub.close();
  const nextHub = createHub({ store });
  await nextHub.channel("news").publish({ data: "meanwhile" });
  await listen(createServer(eventStream(nextHub.channel("news"))), Number(new URL(url).port));
  const back = await openStream(url, { headers: { "Last-Event-ID": clients[0]?.events[0]?.id } });
  await back.until(({ events }) => events.length === 2);
  expect(back.events[0]?.data).toBe("meanwhile");
  back.leave();
  await nextHub.close();
});

test("closeServer closes connections that are kept alive for nothing, and lets a request that is being answered finish", async () => {
  let finish = (): void => {};
  const server = createServer((req, res) => {
    if (req.url === "/quick") return void res.end("quick");
    finish = () => res.end("slow");
  });
  // Longer than this test may take.
  server.keepAliveTimeout = 600_000;
  const url = await listen(server);
  const agent = new http.Agent({ keepAlive: true });
  onTestFinished(() => agent.destroy());
  expect(await (await openStream(`${url}/quick`, { agent })).ended).toBe("complete");
  const slow = openStream(`${url}/slow`, { agent: new http.Agent({ keepAlive: true }) });
  await once(server, "request");
  const closed = closeServer(server, { within: 60_000 });
  await expect.poll(() => server.listening).toBe(false);
  finish();
  const client = await slow;
  expect([await client.ended, client.text]).toEqual(["complete", "slow"]);
  await closed;
});

test("closeServer cuts off what is left when the time is up", async () => {
  const reasons: string[] = [];
  const server = createServer(
    eventStream(
      async function* ({ closed }) {
        void closed.then((reason) => reasons.push(reason));
        for (;;) yield { data: "x".repeat(60_000) };
      },
      { writeDeadline: false },
    ),
  );
  const url = await listen(server);
  const socket = await connectStalled(url);
  await once(server, "request");
  await closeServer(server, { within: 300 });
  await expect.poll(() => reasons).toEqual(["disconnected"]);
  socket.destroy();
});

test("closeServer waits for a connection that was upgraded until the time is up, and no longer", async () => {
  const server = createServer().on("upgrade", (_req, socket: Duplex) => {
    onTestFinished(() => void socket.destroy());
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    socket.pipe(socket);
  });
  const request = http.get(await listen(server), { headers: { Connection: "Upgrade", Upgrade: "echo" } });
  const [, socket] = (await once(request, "upgrade")) as [IncomingMessage, Duplex];
  onTestFinished(() => void socket.destroy());
  await closeServer(server, { within: 200 });
  expect(server.listening).toBe(false);
  socket.write("still here");
  expect(String((await once(socket, "data"))[0])).toBe("still here");
});

test("closeServer of a server that does not listen resolves, and refuses a time that is none", async () => {
  await closeServer(createServer());
  await expect(closeServer(createServer(), { hub: createHub(), within: NaN })).rejects.toMatchObject({
    code: "invalid-option",
  });
});
