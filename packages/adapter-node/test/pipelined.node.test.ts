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

test.for([20, 3000])("of %d streams that are asked for at once on a connection, one is open", async (count) => {
  const hub = createHub();
  onTestFinished(() => hub.close());
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on("warning", onWarning);
  onTestFinished(() => void process.off("warning", onWarning));
  let requests = 0;
  const handle = eventStream(hub.channel("news"), { keepAlive: false });
  const leave = await pipeline((req, res) => {
    handle(req, res);
    requests++;
  }, count);
  await expect.poll(() => requests).toBeGreaterThan(Math.min(count - 1, 1000));
  expect(hub.stats().opened).toBe(1);
  leave();
  await expect.poll(() => hub.stats(), { timeout: 3000 }).toMatchObject({ connections: 0, opened: 1 });
  expect(warnings).toEqual([]);
});

test("requests without end that are pipelined behind a stream without end are not read without end", async () => {
  const hub = createHub();
  onTestFinished(() => hub.close());
  let requests = 0;
  const handle = eventStream(hub.channel("news"));
  await pipeline((req, res) => {
    requests++;
    handle(req, res);
  }, 50_000);
  await expect.poll(() => hub.stats(), { timeout: 8000 }).toMatchObject({ opened: 1, closed: { disconnected: 1 } });
  expect(requests).toBeLessThan(5000);
});

test("thousands of short streams that are asked for at once are all answered", async () => {
  let finished = 0;
  const handle = eventStream(() => [{ data: "one" }]);
  await pipeline((req, res) => {
    res.on("finish", () => finished++);
    handle(req, res);
  }, 5000);
  await expect.poll(() => finished, { timeout: 20_000 }).toBe(5000);
});

test("nothing is run for a request whose socket is destroyed already", async () => {
  let calls = 0;
  let handled = 0;
  const handle = eventStream(() => void calls++);
  await pipeline((req, res) => {
    req.socket.destroy();
    handle(req, res);
    handled++;
  }, 3);
  await expect.poll(() => handled).toBe(3);
  expect(calls).toBe(0);
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
