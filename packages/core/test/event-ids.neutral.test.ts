import { describe, expect, test } from "vitest";
import { decodeEventStream, eventStream, SluiceError } from "../src/index.ts";
import type { EventStreamOptions, FetchNative } from "../src/index.ts";

const HERE = "http://localhost/";

/** What a client that was sent an id makes of it, and what the server makes of that when it comes back. */
async function comesBack(id: string, options: EventStreamOptions<FetchNative> = {}): Promise<unknown> {
  const errors: unknown[] = [];
  const handler = eventStream(({ lastEventId }) => [{ id, data: { lastEventId } }], {
    onError: (error) => errors.push(error),
    whenDone: "reconnect",
    ...options,
  });
  let last = "";
  for await (const event of decodeEventStream(await handler(new Request(HERE)))) last = event.id ?? "";
  if (errors.length > 0) return errors[0];
  // As clients send it: UTF-8, one character for each byte.
  const header = String.fromCharCode(...new TextEncoder().encode(last));
  const response = await handler(new Request(HERE, { headers: { "Last-Event-ID": header } }));
  for await (const { data } of decodeEventStream(response))
    return (JSON.parse(data) as { lastEventId?: string }).lastEventId;
  return undefined;
}

async function told(headers: [string, string][], query = ""): Promise<unknown> {
  const handler = eventStream(({ resume, lastEventId }) => [{ data: { resume, lastEventId } }]);
  const response = await handler(new Request(HERE + query, { headers }));
  for await (const { data } of decodeEventStream(response)) return JSON.parse(data);
  return undefined;
}

describe("an id", () => {
  const good = [
    "7",
    "a b",
    "größe-日本語-🎉",
    "\u00a0x\u00a0",
    "\u0085",
    "a,b",
    "7,7",
    "a, b",
    "7, 7,7",
    "x".repeat(256),
    "~!#$%&'()*+",
  ];
  for (const id of good) {
    test(`${JSON.stringify(id.slice(0, 20))} is sent, and comes back`, async () => {
      expect(await comesBack(id)).toBe(id);
    });
  }

  const bad: [id: string, why: string][] = [
    ["a\u0001b", "control character"],
    ["a\tb", "control character"],
    ["\u001b[0m", "control character"],
    ["a\u007fb", "control character"],
    [" a", "space"],
    ["a ", "space"],
    [" ", "space"],
    ["a\t", "control character"],
    ["a\ud800b", "surrogate"],
    ["a\udc00", "surrogate"],
    ["a\ufffdb", "U+FFFD"],
    ["x".repeat(257), "maxLastEventIdLength (256)"],
    ["7, 7", "behind"],
    ["a, b, a, b", "behind"],
    ["7, 7, 7", "behind"],
  ];
  for (const [id, why] of bad) {
    test(`${JSON.stringify(id.slice(0, 20))} is refused, as it would not come back`, async () => {
      const error = await comesBack(id);
      expect(error).toBeInstanceOf(SluiceError);
      expect(error).toMatchObject({ code: "invalid-field", field: "id" });
      expect((error as Error).message).toMatch(/^Cannot send event: id .*; .*[^.]$/);
      expect((error as Error).message).toContain(why);
    });
  }

  test("may be as long as maxLastEventIdLength, and no longer", async () => {
    expect(await comesBack("x".repeat(300), { maxLastEventIdLength: 300 })).toBe("x".repeat(300));
    expect(await comesBack("xxxx", { maxLastEventIdLength: 3 })).toMatchObject({ field: "id" });
  });

  test("that is empty is sent, as it resets the client's", async () => {
    expect(await comesBack("")).toBeUndefined();
  });

  test("that is refused from send() leaves the connection open", async () => {
    const codes: unknown[] = [];
    const handler = eventStream(
      async ({ send }) => {
        await send({ id: "a\tb", data: "x" }).catch((error: SluiceError) => codes.push(error.code));
        await send({ data: "after" });
      },
      { onError: () => {} },
    );
    const text = await (await handler(new Request(HERE, { method: "POST" }))).text();
    expect([codes, text]).toEqual([["invalid-field"], ":\ndata: after\n\n"]);
  });
});

describe("the last event ID", () => {
  test("that is sent twice alike, or more often, is that id", async () => {
    const resumed = (lastEventId: string): unknown => ({ resume: "resumed", lastEventId });
    const twice = (id: string, times = 2): [string, string][] =>
      Array.from({ length: times }, () => ["Last-Event-ID", id]);
    expect(await told(twice("7"))).toEqual(resumed("7"));
    expect(await told(twice("7", 3))).toEqual(resumed("7"));
    expect(await told(twice("a, b", 2))).toEqual(resumed("a, b"));
    expect(await told(twice("x".repeat(256), 5))).toEqual(resumed("x".repeat(256)));
    expect(
      await told([
        ["Last-Event-ID", "7"],
        ["last-event-id", "8"],
      ]),
    ).toEqual(resumed("7, 8"));
    expect(
      await told([
        ["Last-Event-ID", "7"],
        ["last-event-id", "77"],
      ]),
    ).toEqual(resumed("7, 77"));
  });

  test("is read from the query parameter in every common spelling", async () => {
    const names = [
      "lastEventId",
      "lastEventID",
      "last-event-id",
      "Last-Event-ID",
      "LAST_EVENT_ID",
      "last_event_id",
      "evs_last_event_id",
      "EVS-Last-Event-Id",
    ];
    for (const name of names) {
      expect([name, await told([], `?a=1&${name}=7&b=2`)]).toEqual([name, { resume: "resumed", lastEventId: "7" }]);
      expect([name, await told([["Last-Event-ID", "8"]], `?${name}=7`)]).toMatchObject([name, { lastEventId: "8" }]);
    }
    expect(await told([], "?lastEventId=&last_event_id=7")).toMatchObject({ lastEventId: "7" });
    expect(await told([], "?lastEvent=7&eventId=8&xlasteventid=9")).toEqual({ resume: "fresh" });
  });
});
