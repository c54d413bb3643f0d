import { eventStream as onCloudflare } from "@sluice/adapter-edge/cloudflare";
import { eventStream as onVercel } from "@sluice/adapter-edge/vercel";
import type { Source } from "@sluice/core";
import { expect, onTestFinished, test } from "vitest";

/** What the platform is asked to wait for. */
class Invocation {
  readonly promises: Promise<unknown>[] = [];
  readonly waitUntil = (promise: Promise<unknown>): void => {
    this.promises.push(promise);
  };
}

const requestContext = Symbol.for("@vercel/request-context");

const handlers = {
  "a Worker":
    (source: Source, { waitUntil }: Invocation) =>
    (request: Request) =>
      onCloudflare(source)(request, {}, { waitUntil }),
  "Vercel's Edge runtime": (source: Source, { waitUntil }: Invocation) => {
    Object.assign(globalThis, { [requestContext]: { get: () => ({ waitUntil }) } });
    onTestFinished(() => void Reflect.deleteProperty(globalThis, requestContext));
    return onVercel(source);
  },
};

for (const [platform, handlerOf] of Object.entries(handlers)) {
  test(`${platform} is asked to wait until the source of a client that has left has cleaned up`, async () => {
    const invocation = new Invocation();
    const said: string[] = [];
    let cleanUp = (): void => {};
    const cleanedUp = new Promise<void>((resolve) => {
      cleanUp = resolve;
    });
    let stop = (): void => {};
    const stopped = new Promise<void>((resolve) => {
      stop = resolve;
    });
    const handler = handlerOf(async function* ({ signal }) {
      try {
        yield { data: "hello" };
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      } finally {
        stop();
        await cleanedUp;
        said.push("cleaned up");
      }
    }, invocation);
    const response = await handler(new Request("https://example.com/", { headers: { Accept: "text/event-stream" } }));
    const reader = response.body?.getReader();
    for (let text = ""; !text.includes("hello");) text += new TextDecoder().decode((await reader?.read())?.value);
    const [over] = invocation.promises.map((promise) => promise.then(() => said.push("over")));
    await reader?.cancel();
    await stopped;
    expect(said).toEqual([]);
    cleanUp();
    await over;
    expect(said).toEqual(["cleaned up", "over"]);
  });

  test(`${platform} has nothing to wait for when a client was refused`, async () => {
    const invocation = new Invocation();
    const handler = handlerOf(() => [], invocation);
    const response = await handler(new Request("https://example.com/", { method: "DELETE" }));
    expect(response.status).toBe(405);
    await Promise.all(invocation.promises);
  });
}

test("without a platform, Vercel's handler streams all the same", async () => {
  const response = await onVercel(() => [{ data: "hello" }])(new Request("https://example.com/", { method: "POST" }));
  expect(await response.text()).toContain("data: hello\n\n");
});
