import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createHub, eventStream, SluiceError } from "../src/index.ts";
import type { EventStore, Hub } from "../src/index.ts";

const unhandled: unknown[] = [];
const onUnhandled = (error: unknown): void => void unhandled.push(error);

beforeEach(() => {
  unhandled.length = 0;
  process.on("unhandledRejection", onUnhandled);
});

afterEach(() => {
  process.off("unhandledRejection", onUnhandled);
  vi.restoreAllMocks();
});

/** Node reports a rejection once all that was queued has run. */
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

function hubThatTells(options = {}): { hub: Hub; told: () => string[] } {
  const errors: unknown[] = [];
  const hub = createHub({ ...options, onError: (error) => errors.push(error) });
  return { hub, told: () => errors.map((error) => (error instanceof SluiceError ? error.code : String(error))) };
}

describe("what nobody waits for", () => {
  test("a publish after the hub has closed ends no process, and onError is told", async () => {
    const { hub, told } = hubThatTells();
    const channel = hub.channel("c");
    await hub.close();
    void channel.publish({ data: "late" });
    void channel.close();
    void channel.position();
    void hub.channels(["a", "b"]).position();
    await settled();
    expect(unhandled).toEqual([]);
    expect(told()).toEqual(Array.from({ length: 4 }, () => "unavailable"));
  });

  test("a publish that is refused, whose store fails, or whose channel is closed, is told as well", async () => {
    const { hub, told } = hubThatTells();
    const channel = hub.channel("c");
    void channel.publish(Promise.reject(new Error("mine")) as never);
    void channel.publish([]);
    void channel.publish({ data: "x" }, { ifTail: 5 as never });
    await settled();
    await channel.close();
    void channel.publish({ data: "x" });
    await settled();
    void hub.drain({ within: -1 });
    await settled();
    const broken = {
      append: () => Promise.reject(new Error("disk full")),
      watch: async () => {},
    } as unknown as EventStore;
    const other = hubThatTells({ store: broken });
    void other.hub.channel("c").publish({ data: "x" });
    await settled();
    expect(unhandled).toEqual([]);
    expect(told()).toEqual(["invalid-field", "invalid-field", "invalid-option", "closed", "invalid-option"]);
    expect(other.told()).toEqual(["unavailable"]);
    await hub.close();
  });

  test("answers to ifTail and producer are the caller's alone; a rate is told once a second", async () => {
    const { hub, told } = hubThatTells({ maxPublishRate: 2 });
    const channel = hub.channel("c");
    await channel.publish({ data: "x" }, { producer: { id: "p", epoch: 1, seq: 0 } });
    void channel.publish({ data: "x" }, { ifTail: "origin" });
    await settled();
    const unlimited = hubThatTells();
    const other = unlimited.hub.channel("c");
    await other.publish({ data: "x" }, { producer: { id: "p", epoch: 1, seq: 0 } });
    void other.publish({ data: "x" }, { producer: { id: "p", epoch: 0, seq: 0 } });
    void other.publish({ data: "x" }, { producer: { id: "p", epoch: 1, seq: 5 } });
    await expect(other.publish({ data: "x" }, { ifTail: "origin" })).rejects.toMatchObject({ code: "conflict" });
    await settled();
    expect([unlimited.told(), told()]).toEqual([[], []]);
    for (let i = 0; i < 20; i++) void channel.publish({ data: "x" });
    await settled();
    expect(told()).toEqual(["rate-limited"]);
    expect(unhandled).toEqual([]);
    await hub.close();
    await unlimited.hub.close();
  });

  test("what is printed without an onError is true of a publish, too", async () => {
    const said = vi.spyOn(console, "error").mockImplementation(() => {});
    const hub = createHub();
    await hub.close();
    void hub.channel("c").publish({ data: "late" });
    await settled();
    expect(said.mock.calls.map(([text]: unknown[]) => text)).toEqual(["Sluice: a channel or its store failed:"]);
  });
});

test("what is printed of a stream names method and path, and nothing of the query", async () => {
  const said = vi.spyOn(console, "error").mockImplementation(() => {});
  const handler = eventStream(() => {
    throw new Error("mine");
  });
  const url = `http://localhost/a/b?token=s3cret`;
  await expect((await handler(new Request(url, { method: "POST" }))).text()).rejects.toThrow("broken off");
  await (await handler(new Request(`http://localhost/${"x".repeat(5000)}`))).text();
  const [[first], [second]] = said.mock.calls as [[string], [string]];
  expect(first).toBe("Sluice: a stream failed: POST /a/b:");
  expect(second.length).toBeLessThan(300);
});
