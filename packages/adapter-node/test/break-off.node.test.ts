import { once } from "node:events";
import { createServer } from "node:http";
import type { Server } from "node:http";
import { connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { closeServer, eventStream } from "@sluice/adapter-node";
import { createHub } from "@sluice/core";
import type { CloseReason, Connection } from "@sluice/core";
import { expect, onTestFinished, test } from "vitest";

async function serve(handler: ReturnType<typeof eventStream>): Promise<Server> {
  const server = createServer(handler).listen(0, "127.0.0.1");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, "listening");
  return server;
}

/** A client that sends a request as it stands, and keeps what comes. */
function ask(
  server: Server,
  request: string,
): { readonly socket: Socket; text: string; readonly end: Promise<string> } {
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  socket.write(request);
  const end = new Promise<string>((resolve) => {
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
    socket.on("end", () => resolve("FIN"));
  });
  const client = { socket, text: "", end };
  socket.setEncoding("latin1").on("data", (text: string) => {
    client.text += text;
  });
  return client;
}

const failing = (onError = (): void => {}): ReturnType<typeof eventStream> =>
  eventStream(
    async function* () {
      yield { data: "x".repeat(100_000) };
      yield { data: "last" };
      throw new Error("failed");
    },
    { onError },
  );

test("an answer to a POST that breaks off lacks its last chunk, and nothing else", async () => {
  const client = ask(await serve(failing()), "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
  expect(await client.end).toBe("FIN");
  expect(client.text).toMatch(/data: last\n\n\r\n$/);
});

test("it reaches a client whose request's body was not read", async () => {
  const body = "b".repeat(200_000);
  const request = `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  for (let i = 0; i < 10; i++) {
    const client = ask(await serve(failing()), request);
    await client.end;
    expect(client.text).toMatch(/data: last\n\n\r\n$/);
  }
});

test("to a client of HTTP/1.0, whose body ends with its connection, the connection is reset behind it", async () => {
  const client = ask(await serve(failing()), "POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
  expect(await client.end).toBe("ECONNRESET");
  expect(client.text).toMatch(/data: last\n\n$/);
});

test("it breaks off when it is its turn, behind an answer on the same connection", async () => {
  let finish!: () => void;
  const failed = Promise.withResolvers<void>();
  const slow = eventStream(
    async ({ send }) => {
      await send({ data: "first" });
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
    },
    { whenDone: "reconnect" },
  );
  const fails = failing(() => failed.resolve());
  const server = await serve((req, res) => (req.method === "GET" ? slow : fails)(req, res));
  const client = ask(
    server,
    "GET / HTTP/1.1\r\nHost: localhost\r\n\r\nPOST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
  );
  await expect.poll(() => client.text).toContain("data: first\n\n");
  finish();
  await failed.promise;
  expect(await client.end).toBe("FIN");
  expect(client.text).toMatch(/0\r\n\r\nHTTP\/1\.1 200 OK[^]*data: last\n\n\r\n$/);
});

test("a client that does not close its side is let go of", async () => {
  const server = createServer(failing()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  socket.on("error", () => {}).resume();
  socket.write("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
  await once(socket, "end");
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

test("a client that does not take what was sent before meets the write deadline", async () => {
  const reason = Promise.withResolvers<CloseReason>();
  const handler = eventStream(
    (connection: Connection) => {
      void connection.closed.then(reason.resolve);
      // More than the kernel takes, and nobody waits.
      for (let i = 0; i < 20; i++) void connection.send({ data: "x".repeat(1_000_000) });
      throw new Error("failed");
    },
    { writeDeadline: 300, maxPendingBytes: 50_000_000, onError: () => {} },
  );
  const client = ask(await serve(handler), "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
  client.socket.pause();
  expect(await reason.promise).toBe("write-deadline");
});

test("a server closes in time that has POSTs to break off", async () => {
  const hub = createHub();
  onTestFinished(() => hub.close());
  const server = await serve(eventStream(({ closed }) => closed.then(() => {}), { hub }));
  const clients = Array.from({ length: 5 }, () =>
    ask(server, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"),
  );
  await expect.poll(() => hub.stats().connections).toBe(5);
  const startedAt = performance.now();
  await closeServer(server, { hub, within: 5000 });
  expect(performance.now() - startedAt).toBeLessThan(5000);
  for (const client of clients) {
    expect(await client.end).toBe("FIN");
    expect(client.text).not.toMatch(/0\r\n\r\n$/);
  }
  expect(hub.stats().closed).toEqual({ drained: 5 });
});
