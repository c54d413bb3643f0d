import { createServer, OutgoingMessage, ServerResponse } from "node:http";
import net from "node:net";
import { createResponder } from "@sluice/core";
import { connectStalled, serveNode } from "@sluice/testkit";
import { expect, onTestFinished, test } from "vitest";
import { eventStream, exchangeOf, openBody } from "../src/index.ts";

async function serve(...args: Parameters<typeof eventStream>): Promise<string> {
  const { url, close } = await serveNode(createServer(eventStream(...args)));
  onTestFinished(close);
  return url;
}

/** The whole answer to a request that is written byte by byte, as no client would. */
function ask(url: string, request: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = net.connect(Number(new URL(url).port), "127.0.0.1", () => socket.end(request));
    socket.on("data", (chunk) => (answer += chunk.toString()));
    socket.on("close", () => resolve(answer));
  });
}

test("what a Host header says is a host and nothing else", async () => {
  const url = await serve(({ url: { host, pathname, search } }) => [{ data: { host, pathname, search } }]);
  const told = async (host: string, target = "/public?a=1"): Promise<unknown> => {
    const answer = await ask(url, `POST ${target} HTTP/1.0\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n`);
    return JSON.parse(/data: (.*)/.exec(answer)?.[1] ?? "null");
  };
  expect(await told("example.org:8080")).toEqual({ host: "example.org:8080", pathname: "/public", search: "?a=1" });
  for (const host of ["x/admin?", "x#", "x?lastEventId=7&", "user@x", "x\\y", "[", " ", "x y"]) {
    expect(await told(host), host).toMatchObject({ pathname: "/public", search: "?a=1" });
  }
  expect(await told("x", "//evil/path")).toMatchObject({ host: "x", pathname: "//evil/path" });
});

test("a client that stalls when all has been said is cut off, too", async () => {
  const reasons: string[] = [];
  const url = await serve(
    async function* ({ native: { res }, closed }) {
      void closed.then((reason) => reasons.push(reason));
      // Until the kernel is full, and a little lies with Node for good, which still has room.
      for (let held = 0; held < 3;) {
        yield { data: "x".repeat(1000) };
        await new Promise((resolve) => setImmediate(resolve));
        held = "writableLength" in res && res.writableLength > 0 ? held + 1 : 0;
      }
    },
    { writeDeadline: 500, keepAlive: false },
  );
  const socket = await connectStalled(url);
  const closed = new Promise((resolve) => socket.on("close", resolve));
  await expect.poll(() => reasons, { timeout: 10_000 }).toEqual(["write-deadline"]);
  socket.on("error", () => {}).resume();
  await closed;
});

test("a client that left while a middleware worked has its source never called", async () => {
  let calls = 0;
  let ready!: () => void;
  const left = new Promise<void>((resolve) => {
    ready = resolve;
  });
  const handle = eventStream(() => void calls++);
  const { url, close } = await serveNode(
    createServer((req, res) => {
      res.on("close", () => {
        handle(req, res);
        ready();
      });
    }),
  );
  onTestFinished(close);
  const socket = await connectStalled(url);
  socket.destroy();
  await left;
  expect(calls).toBe(0);
});

test("what watches the writes of all responses, in Node's prototypes, sees every event", async () => {
  const seen: string[] = [];
  const { write } = OutgoingMessage.prototype;
  const watching = function (this: OutgoingMessage, ...args: unknown[]): boolean {
    seen.push(String(args[0]));
    return Reflect.apply(write, this, args) as boolean;
  };
  onTestFinished(() => {
    OutgoingMessage.prototype.write = write;
    Reflect.deleteProperty(ServerResponse.prototype, "write");
  });
  const url = await serve(async function* () {
    yield { data: "one" };
    ServerResponse.prototype.write = watching;
    yield { data: "two" };
    Reflect.deleteProperty(ServerResponse.prototype, "write");
    OutgoingMessage.prototype.write = watching;
    yield { data: "three" };
  });
  const answer = await ask(url, "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  expect(answer).toContain("data: three\n\n");
  expect(seen).toEqual(["data: two\n\n", "data: three\n\n"]);
});

test("a write of nothing does not end the response", async () => {
  const responder = createResponder(async ({ closed }) => void (await closed));
  const { url, close } = await serveNode(
    createServer(async (req, res) => {
      const answer = await openBody(responder, exchangeOf(req, undefined), res);
      if (typeof answer?.body !== "object") return;
      answer.body.pipe(res);
      await answer.writer.send({ data: "one" });
      // By then the body has handed over what waited in it, and is left out.
      await new Promise((resolve) => setTimeout(resolve, 20));
      await answer.writer.write(new Uint8Array());
      await answer.writer.send({ data: "two" });
      answer.writer.end("finished");
    }),
  );
  onTestFinished(close);
  const text = await (await fetch(url, { method: "POST" })).text();
  expect(text).toMatch(/data: one\n\ndata: two\n\n$/);
});
