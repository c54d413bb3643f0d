import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { eventStream } from "../src/index.ts";
import type { Connection, EventStreamOptions, FetchNative } from "../src/index.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** A stream that says nothing, read to its end. */
async function open(
  options: EventStreamOptions<FetchNative>,
): Promise<{ connection: Connection; end: Promise<string> }> {
  let connection: Connection | undefined;
  const handler = eventStream(
    async (opened) => {
      connection = opened;
      await new Promise((resolve) => opened.signal.addEventListener("abort", resolve));
    },
    { keepAlive: false, retry: 1, ...options },
  );
  const response = await handler(new Request("http://localhost/"));
  await vi.advanceTimersByTimeAsync(0);
  return { connection: connection as Connection, end: response.text() };
}

test("a connection ends within the last tenth of its maximum age, cleanly, and may come back", async () => {
  const endedAt: number[] = [];
  for (let i = 0; i < 50; i++) {
    const startedAt = performance.now();
    const { connection, end } = await open({ maxAge: 10_000 });
    void connection.closed.then(() => endedAt.push(performance.now() - startedAt));
    await vi.advanceTimersByTimeAsync(8_999);
    expect(connection.reason).toBe(undefined);
    await vi.advanceTimersByTimeAsync(1_002);
    expect(connection.reason).toBe("max-age");
    expect(await end).toBe(":\nretry: 1\n"); // and no sluice.end
  }
  expect(Math.min(...endedAt)).toBeGreaterThanOrEqual(8_999);
  expect(Math.max(...endedAt) - Math.min(...endedAt)).toBeGreaterThan(300); // apart from each other
});

test("a connection ends when its authorisation does", async () => {
  const { connection, end } = await open({ authorize: () => ({ expiresAt: Date.now() + 5000 }), maxAge: 60_000 });
  await vi.advanceTimersByTimeAsync(4_990);
  expect(connection.reason).toBe(undefined);
  await vi.advanceTimersByTimeAsync(11);
  expect(connection.reason).toBe("expired");
  expect(connection.signal.aborted).toBe(true);
  expect(await end).toBe(":\nretry: 1\n");
});

test("whichever of the two comes first decides", async () => {
  const { connection } = await open({ authorize: () => ({ expiresAt: new Date(Date.now() + 60_000) }), maxAge: 1000 });
  await vi.advanceTimersByTimeAsync(1001);
  expect(connection.reason).toBe("max-age");
});

test("an age that no timer can hold is still kept", async () => {
  const years = 3 * 365 * 24 * 3600 * 1000;
  const { connection } = await open({ authorize: () => ({ expiresAt: Date.now() + years }) });
  await vi.advanceTimersByTimeAsync(years - 1000);
  expect(connection.reason).toBe(undefined);
  await vi.advanceTimersByTimeAsync(1001);
  expect(connection.reason).toBe("expired");
});

test("what was sent before still arrives", async () => {
  const handler = eventStream(
    async ({ send, closed }) => {
      void send({ data: "last" });
      await closed;
    },
    { maxAge: 100, keepAlive: false, retry: false },
  );
  const response = await handler(new Request("http://localhost/"));
  await vi.advanceTimersByTimeAsync(101);
  expect(await response.text()).toBe(":\ndata: last\n\n");
});
