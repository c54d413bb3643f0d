import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import { eventStream } from "@sluice/adapter-node";
import { createHub } from "@sluice/core";
import { expect, onTestFinished, test } from "vitest";

test("what is published while the socket of a leaving client is closing is written to nobody", async () => {
  const hub = createHub();
  onTestFinished(() => hub.close());
  const channel = hub.channel("news");
  const server = createServer(eventStream(channel)).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  const errors: Error[] = [];
  server.on("connection", (socket) => {
    socket.on("error", (error) => errors.push(error));
    // As soon as Node knows that the client has gone, and has not done yet with what follows from it.
    socket.on("end", () => void channel.publish({ data: "too late" }));
  });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  for (let i = 0; i < 20; i++) {
    const client = connect(port, "127.0.0.1");
    client.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await once(client, "data");
    const closed = once(client.resume(), "close");
    client.end();
    await closed;
  }
  await expect.poll(() => hub.stats()).toMatchObject({ connections: 0, closed: { disconnected: 20 } });
  expect(errors).toEqual([]);
});
