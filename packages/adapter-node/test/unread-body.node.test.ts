import { createServer, request } from "node:http";
import type { ClientRequest } from "node:http";
import { createHub } from "@sluice/core";
import type { CloseReason, Connection, Source } from "@sluice/core";
import { serveNode } from "@sluice/testkit";
import { expect, onTestFinished, test } from "vitest";
import { eventStream } from "../src/index.ts";
import type { NodeNative } from "../src/index.ts";

const MB = 1024 * 1024;

interface Told {
  readonly reasons: CloseReason[];
  readonly errors: unknown[];
}

async function serve(source: Source<NodeNative>): Promise<Told & { readonly url: string }> {
  const told: Told = { reasons: [], errors: [] };
  const watch = ({ closed }: Connection): void => void closed.then((reason) => told.reasons.push(reason));
  const { url, close } = await serveNode(
    createServer(
      eventStream(source, {
        authorize: watch,
        keepAlive: false,
        onError: (error) => told.errors.push(error),
      }),
    ),
  );
  onTestFinished(close);
  return { ...told, url };
}

/** Begins a POST, and resolves when the response's first bytes are there. */
async function post(url: string, headers: Record<string, string | number> = {}): Promise<ClientRequest> {
  const client = request(url, { method: "POST", headers });
  client.on("error", () => {});
  onTestFinished(() => void client.destroy());
  client.flushHeaders();
  return client;
}

const forEver: Source<NodeNative> = async function* ({ signal }) {
  yield { data: "ready" };
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
};

test.for([0.2, 0.9, 5, 40])(
  "a client that leaves is noticed while it uploads %d MB that nobody reads",
  async (size) => {
    const hub = createHub();
    onTestFinished(() => hub.close());
    for (const source of [forEver, hub.channel("news"), hub.channels(["news", "sports"])]) {
      for (const headers of [{}, { "Content-Length": Math.floor(2 * size * MB) }]) {
        const { url, reasons } = await serve(source);
        const client = await post(url, headers);
        client.write(Buffer.alloc(size * MB));
        await new Promise((resolve) => client.once("response", (res) => res.once("data", resolve)));
        client.destroy();
        await expect.poll(() => reasons, { timeout: 2500 }).toEqual(["disconnected"]);
      }
    }
  },
);

test("a source that reads a large body late gets all of it", async () => {
  const { url, errors } = await serve(async function* ({ native: { req } }) {
    await new Promise((resolve) => setTimeout(resolve, 800));
    let length = 0;
    for await (const chunk of req) length += (chunk as Buffer).length;
    yield { data: length };
  });
  const response = await fetch(url, { method: "POST", body: new Uint8Array(0.9 * MB) });
  expect(await response.text()).toContain(`data: ${Math.floor(0.9 * MB)}\n\n`);
  expect(errors).toEqual([]);
});

test("a source that reads a body slowly gets all of it, however large it is", async () => {
  const { url, errors } = await serve(async function* ({ native: { req } }) {
    let length = 0;
    for await (const chunk of req) {
      if (length === 0) await new Promise((resolve) => setTimeout(resolve, 1200));
      length += (chunk as Buffer).length;
    }
    yield { data: length };
  });
  const response = await fetch(url, { method: "POST", body: new Uint8Array(20 * MB) });
  expect(await response.text()).toContain(`data: ${20 * MB}\n\n`);
  expect(errors).toEqual([]);
});

const readers: Record<string, (native: NodeNative) => Promise<unknown>> = {
  "for await": async ({ req }) => {
    for await (const chunk of req) void chunk;
  },
  toArray: ({ req }) => req.toArray(),
  events: ({ req }) =>
    new Promise((resolve, reject) =>
      req
        .on("data", () => {})
        .on("end", resolve)
        .on("error", reject),
    ),
};

test.for(Object.keys(readers))("a body that was discarded cannot be read as if it had been empty: %s", async (kind) => {
  const { url, errors } = await serve(async function* ({ native }) {
    yield { data: "ready" };
    await new Promise((resolve) => setTimeout(resolve, 1500));
    let outcome: unknown = "read";
    await readers[kind]?.(native).catch((error: unknown) => (outcome = error));
    yield { data: String(outcome) };
  });
  for (const isWhole of [true, false]) {
    errors.length = 0;
    const client = await post(url);
    client.write(Buffer.alloc(5 * MB));
    if (isWhole) client.end();
    const text = await new Promise<string>((resolve) => {
      client.once("response", async (res) => resolve(Buffer.concat(await res.toArray()).toString()));
    });
    expect(text).toContain("data: SluiceError: Cannot read request body: ");
    expect(errors).toMatchObject([{ code: "invalid-state" }]);
  }
});

test("a connection goes on after a response whose request's body was discarded", async () => {
  const { url } = await serve(async function* () {
    yield { data: "ready" };
    await new Promise((resolve) => setTimeout(resolve, 1200));
    yield { data: "done" };
  });
  for (let turn = 0; turn < 2; turn++) {
    const response = await fetch(url, { method: "POST", body: new Uint8Array(5 * MB) });
    expect(await response.text()).toContain("data: done\n\n");
  }
});
