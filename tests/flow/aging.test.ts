import { createServer } from "node:http";
import { eventStream } from "@sluice/adapter-node";
import type { NodeNative } from "@sluice/adapter-node";
import { createHub } from "@sluice/core";
import type { CloseReason, EventStreamOptions, Hub } from "@sluice/core";
import { openStream, serveNode } from "@sluice/testkit";
import type { StreamClient } from "@sluice/testkit";
import { expect, onTestFinished, test } from "vitest";
import { fullestSlot } from "./deploy.ts";

async function serve(
  options: EventStreamOptions<NodeNative>,
): Promise<{ url: string; hub: Hub; reasons: CloseReason[] }> {
  const reasons: CloseReason[] = [];
  const hub = createHub({ observer: { closed: ({ reason }) => void reasons.push(reason) } });
  const { url, close } = await serveNode(createServer(eventStream(hub.channel("news"), options)));
  onTestFinished(async () => {
    await hub.close();
    await close();
  });
  return { url, hub, reasons };
}

async function open(count: number, url: string, headers: Record<string, string> = {}): Promise<StreamClient[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => openStream(url, { headers })));
  await Promise.all(clients.map((client) => client.until(({ events }) => events.length === 1)));
  return clients;
}

test("500 clients that came at the same moment go one after another, and come back even further apart", async () => {
  const maxAge = 6000;
  const { url, reasons } = await serve({ maxAge });
  const since = performance.now();
  const clients = await open(500, url);
  const opened = performance.now();
  const returns = await Promise.all(
    clients.map(async (client) => {
      expect(await client.ended).toBe("complete");
      const endedAt = performance.now();
      expect(endedAt - since).toBeGreaterThan(maxAge * 0.9);
      return { endedAt, at: endedAt + (client.reconnectionTime ?? 0) };
    }),
  );
  expect(reasons).toEqual(Array(500).fill("max-age"));
  const ends = returns.map(({ endedAt }) => endedAt);
  expect(Math.max(...ends) - opened).toBeLessThan(maxAge + 1000);
  // Not before the last tenth, which is 600 ms: a sixth in any 100 of them. Then 2 to 4 seconds: a twentieth.
  expect(fullestSlot(ends)).toBeLessThan(0.5);
  expect(fullestSlot(returns.map(({ at }) => at))).toBeLessThan(0.1);
});

test("a client whose authorisation has expired ends cleanly, misses nothing once it is let in again, and is refused otherwise", async () => {
  let isAllowed = true;
  const { url, hub, reasons } = await serve({
    authorize: () => isAllowed && { expiresAt: Date.now() + 1500 },
  });
  const clients = await open(20, url);
  const first = await hub.channel("news").publish({ data: "before" });
  for (const client of clients) {
    expect(await client.ended).toBe("complete");
    expect([client.events.at(-1)?.id, client.reconnectionTime]).toEqual([first, expect.any(Number)]);
  }
  expect(reasons).toEqual(Array(20).fill("expired"));
  await hub.channel("news").publish({ data: "meanwhile" });
  const back = await openStream(url, { headers: { "Last-Event-ID": first } });
  await back.until(({ events }) => events.some(({ event }) => event === "sluice.live"));
  expect(back.events.map(({ event, data }) => event ?? data)).toEqual(["meanwhile", "sluice.live"]);
  back.leave();
  isAllowed = false;
  expect((await openStream(url)).status).toBe(403);
});

test("revalidation ends the connections of a user who was locked out, and nobody else's", async () => {
  const lockedOut = new Set<string>();
  const { url, hub, reasons } = await serve({
    authorize: ({ headers }) => !lockedOut.has(headers.get("user") ?? ""),
    revalidate: 300,
  });
  const [ofAda, ofBob] = await Promise.all([open(20, url, { user: "ada" }), open(20, url, { user: "bob" })]);
  lockedOut.add("ada");
  expect(await Promise.all(ofAda.map(({ ended }) => ended))).toEqual(Array(20).fill("complete"));
  expect(reasons).toEqual(Array(20).fill("expired"));
  expect((await openStream(url, { headers: { user: "ada" } })).status).toBe(403);
  await hub.channel("news").publish({ data: "for those who stay" });
  await Promise.all(ofBob.map((client) => client.until(({ events }) => events.length === 2)));
  for (const client of ofBob) client.leave();
});
