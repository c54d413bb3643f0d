import { once } from "node:events";
import { createServer, get } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { PassThrough, Readable } from "node:stream";
import { afterEach, describe, expect, test } from "vitest";
import { decodeEventStream } from "../src/index.ts";

const cleanUp: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanUp.splice(0)) clean();
});

describe("decodeEventStream of a Node stream", () => {
  test("reads a Readable of buffers and of strings", async () => {
    for (const chunks of [
      [Buffer.from("data: a\n"), Buffer.from("\n")],
      ["data: a\n", "\n"],
    ]) {
      const seen: string[] = [];
      for await (const { data } of decodeEventStream(Readable.from(chunks))) seen.push(data);
      expect(seen).toEqual(["a"]);
    }
  });

  test("destroys the stream when the loop is left", async () => {
    const body = new PassThrough();
    body.write("data: a\n\ndata: b\n\n");
    for await (const { data } of decodeEventStream(body)) {
      expect(data).toBe("a");
      break;
    }
    expect(body.destroyed).toBe(true);
  });

  test("destroys the stream when a signal aborts, before the first read and while one waits", async () => {
    for (const abortedBefore of [true, false]) {
      const body = new PassThrough();
      const controller = new AbortController();
      const reason = new Error("stop");
      if (abortedBefore) controller.abort(reason);
      const first = decodeEventStream(body, { signal: controller.signal }).next();
      setImmediate(() => controller.abort(reason));
      await expect(first).rejects.toBe(reason);
      expect(body.destroyed).toBe(true);
    }
  });

  test("rejects with the error of the stream, after the events before it", async () => {
    const body = new PassThrough();
    body.write("data: a\n\n");
    const events = decodeEventStream(body);
    expect((await events.next()).value).toEqual({ data: "a" });
    const error = new Error("reset by peer");
    body.destroy(error);
    await expect(events.next()).rejects.toBe(error);
  });
});

describe("decodeEventStream over HTTP", () => {
  test("closes the connection of fetch and of http.get when the loop is left", async () => {
    for (const bodyFrom of [fetchBody, getBody]) {
      const closed: Promise<unknown>[] = [];
      const url = await serve((_request, response) => {
        closed.push(once(response, "close"));
        response.writeHead(200, { "Content-Type": "text/event-stream" });
        response.write("data: a\n\n");
      });
      for await (const { data } of decodeEventStream(await bodyFrom(url))) {
        expect(data).toBe("a");
        break;
      }
      await closed[0];
    }
  });

  test("fails when the server breaks off, and not when it ends", async () => {
    const url = await serve((request, response) => {
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.write("data: a\n\n", () => (request.url === "/broken" ? response.destroy() : response.end()));
    });
    for (const bodyFrom of [fetchBody, getBody]) {
      const seen: string[] = [];
      for await (const { data } of decodeEventStream(await bodyFrom(url))) seen.push(data);
      expect(seen).toEqual(["a"]);
      const broken = decodeEventStream(await bodyFrom(`${url}broken`));
      await broken.next();
      await expect(broken.next()).rejects.toThrow();
    }
  });
});

async function serve(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(handle);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanUp.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

function fetchBody(url: string): Promise<Response> {
  return fetch(url);
}

async function getBody(url: string): Promise<IncomingMessage> {
  const [response] = (await once(get(url), "response")) as [IncomingMessage];
  return response;
}
