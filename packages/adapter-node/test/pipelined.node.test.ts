import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import { eventStream } from "@sluice/adapter-node";
import type { NodeHandler } from "@sluice/adapter-node";
import { createHub } from "@sluice/core";
import { expect, onTestFinished, test } from "vitest";

/** Asks for so many streams on one connection, without waiting for the first; returns what leaves. */
async function pipeline(handler: NodeHandler, count: number): Promise<() => void> {
  const server = createServer(handler).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1").on("error", () => {});
  onTestFinished(() => void socket.destroy());
  socket.resume().write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(count));
  return () => socket.destroy();
}

test("a client that leaves takes the streams along that waited behind the first on its connection", async () => {
  const hub = createHub();
  onTestFinished(() => hub.close());
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on("warning", onWarning);
  onTestFinished(() => void process.off("warning", onWarning));
  const leave = await pipeline(eventStream(hub.channel("news")), 20);
  await expect.poll(() => hub.stats().connections).toBe(20);
  leave();
  await expect.poll(() => hub.stats()).toMatchObject({ connections: 0, closed: { disconnected: 20 } });
  expect(warnings).toEqual([]);
});

test("a client that has left while a middleware worked gets none of the streams that it had asked for at once", async () => {
  const waiting: (() => void)[] = [];
  let left = 0;
  let answered = 0;
  const handle = eventStream(() => {
    answered++;
    return [];
  });
  const leave = await pipeline((req, res) => {
    req.on("close", () => left++);
    waiting.push(() => handle(req, res));
  }, 3);
  await expect.poll(() => waiting.length).toBe(3);
  leave();
  await expect.poll(() => left).toBe(3);
  for (const go of waiting) go();
  expect(answered).toBe(0);
});

test("streams that were asked for at once come whole, one after another", async () => {
  const server = createServer(
    eventStream(async function* () {
      yield { data: "one" };
      await new Promise((resolve) => setTimeout(resolve, 20));
      yield { data: "two" };
    }),
  ).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  let text = "";
  socket.on("data", (bytes: Buffer) => (text += bytes.toString()));
  socket.write(
    "GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
  );
  await once(socket, "end");
  socket.destroy();
  const whole = /HTTP\/1\.1 200 OK\r\n.*?data: one\n\n\r\n.*?data: two\n\n\r\n.*?\r\n0\r\n\r\n/gs;
  expect(text.replaceAll(whole, "stream ")).toBe("stream stream ");
});
