import { once } from "node:events";
import { createServer, get } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { PassThrough, Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { decodeEventStream } from "../src/index.ts";

const utf8 = new TextEncoder();

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

describe("decodeEventStream with idle", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  const pushed = (): { body: ReadableStream<Uint8Array>; push(text: string): Promise<void>; reason: unknown } => {
    let controller: ReadableStreamDefaultController<Uint8Array>;
    const origin = {
      reason: undefined as unknown,
      body: new ReadableStream<Uint8Array>({
        start(given) {
          controller = given;
        },
        cancel(reason) {
          origin.reason = reason;
        },
      }),
      async push(text: string) {
        controller.enqueue(utf8.encode(text));
        await vi.advanceTimersByTimeAsync(0);
      },
    };
    return origin;
  };

  test("cancels a body from which no byte comes, and rejects the read that waits", async () => {
    const origin = pushed();
    const events = decodeEventStream(origin.body, { idle: 1000 });
    const read = rejectionOf(events.next());
    await vi.advanceTimersByTimeAsync(999);
    expect(origin.reason).toBe(undefined);
    await vi.advanceTimersByTimeAsync(2);
    const error = await read;
    expect(error).toMatchObject({ code: "idle", option: "idle" });
    expect(origin.reason).toBe(error);
    expect((await events.next()).done).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("rejects the read also where the body does not answer, whatever it is", async () => {
    const stalled = { [Symbol.asyncIterator]: () => ({ next: never, return: never }) } as AsyncIterable<string>;
    const read = rejectionOf(decodeEventStream(stalled, { idle: 10 }).next());
    await vi.advanceTimersByTimeAsync(20);
    expect(await read).toMatchObject({ code: "idle" });
  });

  test("waits anew for as long with every byte, of a comment or of a part of an event", async () => {
    const origin = pushed();
    const read = decodeEventStream(origin.body, { idle: 1000 }).next();
    for (const bytes of [":", "\n", ": c\n\n", "da", "ta: a\n"]) {
      await vi.advanceTimersByTimeAsync(900);
      await origin.push(bytes);
    }
    await origin.push("\n");
    expect((await read).value).toEqual({ data: "a" });
    expect(vi.getTimerCount()).toBe(0);
  });

  test("does not take an empty chunk for a byte", async () => {
    async function* chunks(): AsyncGenerator<Uint8Array> {
      for (;;) {
        await new Promise((resolve) => setTimeout(resolve, 300));
        yield new Uint8Array();
      }
    }
    const read = rejectionOf(decodeEventStream(chunks(), { idle: 1000 }).next());
    await vi.advanceTimersByTimeAsync(1100);
    expect(await read).toMatchObject({ code: "idle" });
  });

  test("never trips while nobody reads, before the first read and between two", async () => {
    const origin = pushed();
    const events = decodeEventStream(origin.body, { idle: 1000 });
    await vi.advanceTimersByTimeAsync(5000);
    await origin.push("data: a\n\ndata: b\n\n");
    expect((await events.next()).value).toEqual({ data: "a" });
    await vi.advanceTimersByTimeAsync(5000);
    expect((await events.next()).value).toEqual({ data: "b" });
    await vi.advanceTimersByTimeAsync(5000);
    const read = events.next();
    await vi.advanceTimersByTimeAsync(900);
    await origin.push("data: c\n\n");
    expect((await read).value).toEqual({ data: "c" });
  });

  test("leaves no timer, however the read ends", async () => {
    const failing = new ReadableStream<Uint8Array>({
      pull: () => Promise.reject(new Error("reset by peer")),
    });
    await rejectionOf(decodeEventStream(failing, { idle: 1000 }).next());
    await all(Readable.from(["data: a\n\n"]), { idle: 1000 });
    await rejectionOf(all(Readable.from(["data: a\n\n"]), { idle: 1000, maxLineLength: 2 }));
    const left = decodeEventStream(pushed().body, { idle: 1000 });
    const [read] = [left.next(), left.return?.()];
    await read;
    const aborting = new AbortController();
    const aborted = rejectionOf(decodeEventStream(pushed().body, { idle: 1000, signal: aborting.signal }).next());
    aborting.abort();
    await aborted;
    expect(vi.getTimerCount()).toBe(0);
  });

  test("false, the default, waits for ever", async () => {
    for (const options of [{}, { idle: false } as const]) {
      const origin = pushed();
      const read = decodeEventStream(origin.body, options).next();
      await vi.advanceTimersByTimeAsync(1e9);
      await origin.push("data: a\n\n");
      expect((await read).value).toEqual({ data: "a" });
    }
  });
});

test("with idle, bytes that came while the process was busy are read, not missed", async () => {
  const { port1, port2 } = new MessageChannel();
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      port1.addEventListener("message", () => controller.enqueue(utf8.encode("data: a\n\n")));
      port1.start();
    },
  });
  const read = decodeEventStream(body, { idle: 20 }).next();
  port2.postMessage(undefined);
  for (const until = performance.now() + 60; performance.now() < until;);
  expect((await read).value).toEqual({ data: "a" });
  port1.close();
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

async function all(...[body, options]: Parameters<typeof decodeEventStream>): Promise<void> {
  for await (const event of decodeEventStream(body, options)) void event;
}

function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error("Nothing was rejected");
    },
    (error: unknown) => error,
  );
}

function never(): Promise<never> {
  return new Promise(() => {});
}

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
