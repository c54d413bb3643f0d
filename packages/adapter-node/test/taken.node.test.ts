import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { createHub } from "@sluice/core";
import type { Source } from "@sluice/core";
import { openStream, serveNode } from "@sluice/testkit";
import { expect, onTestFinished, test } from "vitest";
import { eventStream } from "../src/index.ts";
import type { NodeNative } from "../src/index.ts";

interface Served {
  readonly url: string;
  readonly errors: unknown[];
}

async function serve(
  source: Source<NodeNative>,
  before: (res: ServerResponse, req: IncomingMessage) => unknown = () => {},
  http2 = false,
): Promise<Served> {
  const errors: unknown[] = [];
  const handle = eventStream(source, { onError: (error) => errors.push(error) });
  const listener = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    await before(res, req);
    handle(req, res);
  };
  const server = http2 ? createHttp2Server(listener as never) : createServer(listener);
  const { url, close } = await serveNode(server);
  onTestFinished(close);
  return { url, errors };
}

for (const http2 of [false, true]) {
  const over = http2 ? "over HTTP/2" : "over HTTP/1.1";

  test(`a source that ends the response is stopped, and told what to do in its place, ${over}`, async () => {
    let isStopped = false;
    const { url, errors } = await serve(
      async function* ({ native: { res }, signal }) {
        try {
          yield { data: "one" };
          res.end();
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        } finally {
          isStopped = true;
        }
      },
      undefined,
      http2,
    );
    const client = await openStream(url, { http2 });
    expect(await client.ended).toBe("complete");
    expect(client.events).toEqual([{ data: "one" }]);
    await expect.poll(() => isStopped).toBe(true);
    expect(errors).toMatchObject([
      { code: "invalid-state", message: expect.stringContaining("ended by somebody else") },
    ]);
  });

  test(`a source that goes on after it has ended the response is stopped, ${over}`, async () => {
    const { url, errors } = await serve(
      async ({ native: { res }, send }) => {
        await send({ data: "one" });
        res.end();
        for (;;) await send({ data: "two" });
      },
      undefined,
      http2,
    );
    const client = await openStream(url, { http2 });
    expect(await client.ended).toBe("complete");
    await expect.poll(() => errors).toMatchObject([{ message: expect.stringContaining("ended by somebody else") }]);
  });

  test(`an answer that a source gives by itself reaches the client, and onError hears of it, ${over}`, async () => {
    const { url, errors } = await serve(
      async ({ native: { res } }) => {
        res.statusCode = 404;
        res.end("not here");
      },
      undefined,
      http2,
    );
    const client = await openStream(url, { http2 });
    await client.ended;
    expect([client.status, client.text]).toEqual([404, "not here"]);
    await expect.poll(() => errors).toMatchObject([{ message: expect.stringContaining("ended by somebody else") }]);
  });

  test(`a response that was answered in front of the handler stays as it is, and the source is not run, ${over}`, async () => {
    let calls = 0;
    const { url, errors } = await serve(
      () => void calls++,
      async (res) => {
        res.end("answered");
        await new Promise((resolve) => setTimeout(resolve, 20));
      },
      http2,
    );
    const client = await openStream(url, { http2 });
    await client.ended;
    expect(client.text).toBe("answered");
    await expect.poll(() => errors).toMatchObject([{ message: expect.stringContaining("ended by somebody else") }]);
    expect(calls).toBe(0);
  });

  test(`a response whose headers were sent in front of the handler does not hang, and the source is not run, ${over}`, async () => {
    let calls = 0;
    const { url, errors } = await serve(
      () => void calls++,
      (res) => void res.writeHead(200, { "Content-Type": "text/html" }).write("<p>"),
      http2,
    );
    const client = await openStream(url, { http2 });
    expect(await client.ended).toBe("broken");
    expect(errors).toMatchObject([
      { code: "invalid-state", message: expect.stringContaining("begun by somebody else") },
    ]);
    expect(calls).toBe(0);
  });
}

test("a channel's response that somebody else ends is let go of", async () => {
  const hub = createHub();
  onTestFinished(() => hub.close());
  const { url, errors } = await serve(hub.channel("news"), (res) => void setTimeout(() => res.end(), 50));
  const client = await openStream(url);
  expect(await client.ended).toBe("complete");
  await expect.poll(() => hub.stats()).toMatchObject({ connections: 0, closed: { "write-failed": 1 } });
  expect(errors).toHaveLength(1);
});
