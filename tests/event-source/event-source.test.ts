import { createServer } from "node:http";
import { eventStream } from "@sluice/adapter-node";
import { serveNode } from "@sluice/testkit";
import { EventSource as EventSourceOfPackage } from "eventsource";
import { EventSource as EventSourceOfUndici } from "undici";
import { describe, expect, onTestFinished, test } from "vitest";

describe.each([
  ["eventsource", EventSourceOfPackage],
  ["undici", EventSourceOfUndici],
])("the EventSource of %s", (_, EventSource) => {
  test("gets all of a generator that finishes, comes again once, gets 204 and stops", async () => {
    let runs = 0;
    const requests: [lastEventId: string | undefined, status: number][] = [];
    const handle = eventStream(
      async function* () {
        runs++;
        yield { data: "one", id: "1" };
        yield { event: "message", data: { two: 2 } };
      },
      { retry: 20 },
    );
    const server = await serveNode(
      createServer((req, res) => {
        res.once("finish", () => requests.push([req.headers["last-event-id"] as string | undefined, res.statusCode]));
        handle(req, res);
      }),
    );
    onTestFinished(() => server.close());

    const source = new EventSource(server.url);
    onTestFinished(() => source.close());
    const received: unknown[] = [];
    source.addEventListener("message", (event) => received.push((event as { data?: unknown }).data));
    await expect.poll(() => source.readyState, { timeout: 10_000 }).toBe(EventSource.CLOSED);
    await new Promise((resolve) => setTimeout(resolve, 100)); // five times the reconnection time

    expect(received).toEqual(["one", '{"two":2}']);
    expect(requests).toEqual([
      [undefined, 200],
      ["sluice.end", 204],
    ]);
    expect(runs).toBe(1);
  });

  test("reconnects after an error with the last event ID it has had, also one that is not ASCII", async () => {
    const resumed: (string | undefined)[] = [];
    const handle = eventStream(
      async function* ({ lastEventId }) {
        resumed.push(lastEventId);
        if (lastEventId !== undefined) return;
        yield { data: "one", id: "größe-日本" };
        throw new Error("The source has failed");
      },
      { retry: 20, onError: () => {} },
    );
    const server = await serveNode(createServer(handle));
    onTestFinished(() => server.close());
    const source = new EventSource(server.url);
    onTestFinished(() => source.close());
    await expect.poll(() => source.readyState, { timeout: 10_000 }).toBe(EventSource.CLOSED);
    expect(resumed).toEqual([undefined, "größe-日本"]);
  });
});
