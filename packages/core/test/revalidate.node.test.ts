import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createHub, eventStream } from "../src/index.ts";
import type { Authorization, Connection, EventStreamOptions, FetchNative, Hub } from "../src/index.ts";
import { visit } from "./visit.ts";
import type { Visit } from "./visit.ts";

beforeEach(() => void vi.useFakeTimers());
const hubs: Hub[] = [];
afterEach(async () => {
  for (const hub of hubs.splice(0)) await hub.close();
  await vi.advanceTimersByTimeAsync(0);
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** A client of a stream that says nothing, of a function and of a channel. */
const silent = async ({ closed }: Connection): Promise<void> => void (await closed);

async function open(options: EventStreamOptions<FetchNative>, source: () => unknown = () => silent): Promise<Visit> {
  const client = await visit(source() as typeof silent, { options });
  await client.read();
  return client;
}

function aHub(): Hub {
  const hub = createHub({ linger: 0 });
  hubs.push(hub);
  return hub;
}

const forbidden = Object.assign(new Error("not any more"), { status: 403 });

describe.each([
  ["a function", () => silent],
  ["a channel", () => aHub().channel("c")],
])("the authorisation of a connection, asked for again: of %s", (_, source) => {
  test.each<[string, () => boolean | Authorization]>([
    ["false", () => false],
    [
      "a status from 400 to 499",
      () => {
        throw forbidden;
      },
    ],
    ["an expiry that is past", () => ({ expiresAt: Date.now() - 1 })],
  ])("%s ends it with `expired`", async (__, later) => {
    let asked = 0;
    const authorize = (): boolean | Authorization => (asked++ === 0 ? true : later());
    const client = await open({ authorize, revalidate: 10_000 }, source);
    await vi.advanceTimersByTimeAsync(8_999);
    expect([asked, client.connection?.reason]).toEqual([1, undefined]);
    const rest = client.rest();
    await vi.advanceTimersByTimeAsync(1_005);
    expect([asked, client.connection?.reason]).toEqual([2, "expired"]);
    expect(client.connection?.signal.aborted).toBe(true);
    expect(await rest).not.toContain("end");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toBe(2);
  });

  test("yes, again and again, lets it be", async () => {
    let asked = 0;
    const client = await open({ authorize: async () => ++asked > 0, revalidate: 1000 }, source);
    void client.rest();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toBeGreaterThanOrEqual(60);
    expect(asked).toBeLessThanOrEqual(61 / 0.9 + 1);
    expect(client.connection?.reason).toBe(undefined);
    await client.leave();
    const before = asked;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toBe(before);
  });
});

test.each([
  ["an error without a status", new Error("the database is away")],
  ["a status of 500 and more", Object.assign(new Error("the database is away"), { status: 503 })],
  ["what cannot be meant", undefined],
])("%s lets the connection be, and onError is told", async (_, failure) => {
  let asked = 0;
  const errors: unknown[] = [];
  const client = await open({
    authorize: () => {
      if (asked++ === 0 || asked > 2) return true;
      if (failure !== undefined) throw failure;
      return "yes" as unknown as boolean;
    },
    revalidate: 1000,
    onError: (error, connection) => errors.push([error, connection.url.href]),
  });
  await vi.advanceTimersByTimeAsync(2100);
  expect(asked).toBe(3);
  expect(client.connection?.reason).toBe(undefined);
  const told = failure ?? expect.objectContaining({ code: "invalid-option", option: "authorize" });
  expect(errors).toEqual([[told, "http://localhost/"]]);
  await client.leave();
});

test("the same connection is asked about, and never two times at once", async () => {
  const seen = new Set<Connection>();
  let running = 0;
  let most = 0;
  let asked = 0;
  const client = await open({
    authorize: async (connection) => {
      seen.add(connection);
      most = Math.max(most, ++running);
      if (asked++ > 0) await new Promise((resolve) => setTimeout(resolve, 5000));
      running--;
    },
    revalidate: 1000,
  });
  await vi.advanceTimersByTimeAsync(20_000);
  expect([seen.size, most]).toEqual([1, 1]);
  expect(asked).toBeGreaterThanOrEqual(4);
  await client.leave();
  await vi.advanceTimersByTimeAsync(10_000);
});

test("a connection that ends while it is asked about ends for its own reason, and is not asked about again", async () => {
  let asked = 0;
  let answer!: (verdict: boolean) => void;
  const client = await open({
    authorize: () => (asked++ === 0 ? true : new Promise<boolean>((resolve) => (answer = resolve))),
    revalidate: 1000,
  });
  await vi.advanceTimersByTimeAsync(1001);
  await client.leave();
  answer(false);
  await vi.advanceTimersByTimeAsync(10_000);
  expect([asked, await client.connection?.closed]).toEqual([2, "disconnected"]);
});

test("a new expiry takes the place of the old: it can be prolonged, and cut short", async () => {
  for (const [next, endsAt] of [
    [60_000, 64_500],
    [500, 5_000],
  ] as const) {
    let asked = 0;
    const startedAt = Date.now();
    const client = await open({
      authorize: () => ({ expiresAt: asked++ === 0 ? Date.now() + 10_000 : startedAt + 4_500 + next }),
      revalidate: 5000,
    });
    const closedAt = client.connection?.closed.then(() => Date.now() - startedAt);
    void client.rest();
    await vi.advanceTimersByTimeAsync(70_000);
    expect(client.connection?.reason).toBe("expired");
    expect(Math.abs(((await closedAt) as number) - endsAt)).toBeLessThanOrEqual(500);
  }
});

test("it does not outlive its maximum age by that", async () => {
  const options = { maxAge: 10_000, revalidate: 1000, authorize: () => ({ expiresAt: Date.now() + 60_000 }) };
  const client = await open(options);
  void client.rest();
  await vi.advanceTimersByTimeAsync(10_001);
  expect(client.connection?.reason).toBe("max-age");
});

test("connections that came together are not asked about together", async () => {
  const askedAt: number[] = [];
  const startedAt = performance.now();
  const clients = await Promise.all(
    Array.from({ length: 50 }, () =>
      open({ authorize: () => void askedAt.push(performance.now() - startedAt), revalidate: 10_000 }),
    ),
  );
  askedAt.length = 0;
  await vi.advanceTimersByTimeAsync(10_005);
  expect(askedAt).toHaveLength(50);
  expect(Math.max(...askedAt) - Math.min(...askedAt)).toBeGreaterThan(500);
  for (const client of clients) await client.leave();
});

test("without authorize it is refused, and so is no interval", () => {
  expect(() => eventStream(silent, { revalidate: 1000 })).toThrow("there is none; pass authorize");
  expect(() => eventStream(silent, { revalidate: 0, authorize: () => true })).toThrow("revalidate is 0");
});
