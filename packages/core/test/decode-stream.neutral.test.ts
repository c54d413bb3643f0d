import { describe, expect, test } from "vitest";
import { decodeEventStream, EventDecoderStream, SluiceError } from "../src/index.ts";
import type { DecodedEvent, DecodeEventStreamOptions, EventStreamBody } from "../src/index.ts";

const utf8 = new TextEncoder();

describe("decodeEventStream", () => {
  describe("reads", () => {
    test("a response", async () => {
      expect(await all(responseOf("data: a\n\nid: 1\nevent: x\ndata: b\n\n"))).toEqual([
        { data: "a" },
        { data: "b", event: "x", id: "1" },
      ]);
    });

    test("a response whose type has parameters, in any case", async () => {
      expect(await all(responseOf("data: a\n\n", 200, "Text/Event-Stream ; charset=utf-8"))).toHaveLength(1);
    });

    test("a stream, whatever its chunks are cut at", async () => {
      const { body } = source(["data: a\r", "\n\r", "\nda", "ta: b\n\n"]);
      expect(await all(body)).toEqual([{ data: "a" }, { data: "b" }]);
    });

    test("an async iterable of bytes and strings", async () => {
      async function* chunks(): AsyncGenerator<string | Uint8Array> {
        yield "data: ";
        yield utf8.encode("a\n\n");
      }
      expect(await all(chunks())).toEqual([{ data: "a" }]);
    });

    test("nothing from a body that is empty", async () => {
      expect(await all(source([]).body)).toEqual([]);
    });

    test("what end() delivers, with unfinished: deliver", async () => {
      expect(await all(source(["data: a"]).body, { unfinished: "deliver" })).toEqual([{ data: "a" }]);
    });

    test("many events of one chunk, in order", async () => {
      const wire = Array.from({ length: 5_000 }, (_, at) => `data: ${at}\n\n`).join("");
      expect((await all(responseOf(wire))).map(({ data }) => Number(data))).toEqual([...Array(5_000).keys()]);
    });
  });

  describe("refuses", () => {
    for (const [status, type] of [
      [404, "text/event-stream"],
      [500, "text/event-stream"],
      [200, "application/json"],
      [200, "text/event-streams"],
      [200, null],
    ] as const) {
      test(`a response of status ${status} and type ${type}, and leaves its body unread`, () => {
        const response = responseOf("data: a\n\n", status, type);
        expect(thrownBy(() => decodeEventStream(response))).toMatchObject({ code: "invalid-response" });
        expect(response.bodyUsed || response.body?.locked).toBe(false);
      });
    }

    test("a response without a body", () => {
      const response = new Response(null, { headers: { "Content-Type": "text/event-stream" } });
      expect(thrownBy(() => decodeEventStream(response))).toMatchObject({ code: "invalid-response" });
    });

    test("what is not a body", () => {
      for (const body of [undefined, null, "data: a\n\n", 5, {}, [], { body: null, headers: {} }]) {
        const error = thrownBy(() => decodeEventStream(body as unknown as EventStreamBody));
        expect(error).toMatchObject({ code: "invalid-option", option: "body" });
      }
    });

    for (const [option, value] of [
      ["maxLineLength", 0],
      ["onId", 1],
      ["unfinished", "x"],
      ["parse", "JSON"],
      ["sentinel", /DONE/],
      ["idle", 0],
      ["idle", true],
      ["signal", {}],
    ] as const) {
      test(`a wrong ${option} before it locks the body`, () => {
        const { body } = source(["data: a\n\n"]);
        const error = thrownBy(() => decodeEventStream(body, { [option]: value }));
        expect(error).toMatchObject({ code: "invalid-option", option });
        expect(body.locked).toBe(false);
      });
    }
  });

  describe("pulls", () => {
    test("nothing before it is asked, and one chunk when it is", async () => {
      const origin = source(["data: a\n\ndata: b\n\n", "data: c\n\n", "data: d\n\n"]);
      const events = decodeEventStream(origin.body);
      await turns();
      expect(origin.pulled).toBe(0);
      await events.next();
      await events.next();
      await turns();
      expect(origin.pulled).toBe(1);
      await events.next();
      await turns();
      expect(origin.pulled).toBe(2);
    });

    test("for as many chunks as an event takes", async () => {
      const origin = source(["da", "ta: a", "\n", ": c\n", "\n", "data: b\n\n"]);
      expect((await decodeEventStream(origin.body).next()).value).toEqual({ data: "a" });
      expect(origin.pulled).toBe(5);
    });
  });

  describe("cancels the body", () => {
    test("when the loop is left by break or throw", async () => {
      for (const leave of ["break", "throw"] as const) {
        const origin = source(["data: a\n\ndata: b\n\n"], "stays open");
        const left = (async () => {
          for await (const { data } of decodeEventStream(origin.body)) {
            expect(data).toBe("a");
            if (leave === "break") break;
            throw new Error("mine");
          }
        })();
        expect(await left.catch((error: Error) => error.message)).toBe(leave === "break" ? undefined : "mine");
        expect(origin.cancelled).toBe(true);
      }
    });

    test("at the sentinel, which is not yielded, nor what follows it", async () => {
      const origin = source(["data: a\n\ndata: [DONE]\n\ndata: b\n\n"], "stays open");
      expect(await all(origin.body, { sentinel: "[DONE]" })).toEqual([{ data: "a" }]);
      expect(origin.cancelled).toBe(true);
    });

    test("at the sentinel before parse sees it", async () => {
      const origin = source(['data: {"a":1}\n\n', "data: [DONE]\n\n"], "stays open");
      const options = { parse: JSON.parse, sentinel: "[DONE]" };
      expect(await all(origin.body, options)).toEqual([{ data: { a: 1 } }]);
      expect(origin.cancelled).toBe(true);
    });

    test("when parse throws, after the events before it", async () => {
      const origin = source(["data: 1\n\nid: 7\ndata: {\n\ndata: 3\n\n"], "stays open");
      const events = decodeEventStream(origin.body, { parse: JSON.parse });
      expect((await events.next()).value).toEqual({ data: 1 });
      const error = await rejectionOf(events.next());
      expect(error).toMatchObject({ code: "invalid-data" });
      expect((error as Error).cause).toBeInstanceOf(SyntaxError);
      expect(await events.next()).toEqual({ done: true, value: undefined });
      expect(origin).toMatchObject({ cancelled: true, reason: error });
    });

    test("past a limit, after the events before it", async () => {
      const origin = source(["data: a\n\ndata: 123456789\n\n"], "stays open");
      const events = decodeEventStream(origin.body, { maxLineLength: 10 });
      expect((await events.next()).value).toEqual({ data: "a" });
      expect(await rejectionOf(events.next())).toMatchObject({ code: "too-large", option: "maxLineLength" });
      expect((await events.next()).done).toBe(true);
      expect(origin.cancelled).toBe(true);
    });

    test("when a callback throws", async () => {
      const error = new Error("mine");
      const origin = source([": c\n\n"], "stays open");
      const events = decodeEventStream(origin.body, {
        onComment() {
          throw error;
        },
      });
      expect(await rejectionOf(events.next())).toBe(error);
      expect(origin.cancelled).toBe(true);
    });

    test("and does not mind when the body complains", async () => {
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(utf8.encode("data: a\n\n")),
        cancel: () => Promise.reject(new Error("cannot cancel")),
      });
      for await (const { data } of decodeEventStream(body)) {
        expect(data).toBe("a");
        break;
      }
    });

    test("of an async generator by returning it", async () => {
      let returned = false;
      async function* chunks(): AsyncGenerator<string> {
        try {
          yield "data: a\n\ndata: b\n\n";
          yield "data: c\n\n";
        } finally {
          returned = true;
        }
      }
      for await (const { data } of decodeEventStream(chunks())) {
        expect(data).toBe("a");
        break;
      }
      expect(returned).toBe(true);
    });
  });

  test("a body that fails does so after the events before it", async () => {
    const error = new Error("reset by peer");
    let pulled = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          if (pulled++ > 0) controller.error(error);
          else controller.enqueue(utf8.encode("data: a\n\ndata: b\n\ndata: lost"));
        },
      },
      { highWaterMark: 0 },
    );
    const events = decodeEventStream(body, { unfinished: "deliver" });
    expect((await events.next()).value).toEqual({ data: "a" });
    expect((await events.next()).value).toEqual({ data: "b" });
    expect(await rejectionOf(events.next())).toBe(error);
    expect((await events.next()).done).toBe(true);
  });

  test("calls of next() that overlap are answered in order", async () => {
    const origin = source(["data: a\n\n", "da", "ta: b\n\ndata: c\n\n"]);
    const events = decodeEventStream(origin.body);
    const answers = await Promise.all(Array.from({ length: 5 }, () => events.next()));
    expect(answers.map(({ value }) => value?.data)).toEqual(["a", "b", "c", undefined, undefined]);
  });

  test("of calls that overlap one gets the failure, and the later ones the end", async () => {
    const events = decodeEventStream(source(["data: a\n\n123456789"], "stays open").body, { maxLineLength: 8 });
    const answers = await Promise.allSettled([events.next(), events.next(), events.next()]);
    expect(answers.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });

  test("return() while a read waits ends the read, whether the body answers or not", async () => {
    const stalled = { [Symbol.asyncIterator]: () => ({ next: never, return: never }) } as AsyncIterable<string>;
    for (const body of [source([], "stays open").body, stalled]) {
      const events = decodeEventStream(body);
      const waiting = [events.next(), events.next()];
      expect(await events.return?.()).toEqual({ done: true, value: undefined });
      expect(await Promise.all(waiting)).toEqual([
        { done: true, value: undefined },
        { done: true, value: undefined },
      ]);
    }
  });

  test("after return() there is nothing, not even the failure that was due", async () => {
    const events = decodeEventStream(source(["data: a\n\ndata: b\n\n123456789"]).body, { maxLineLength: 8 });
    await events.next();
    await events.return?.();
    expect((await events.next()).done).toBe(true);
  });

  test("return() from a callback in the middle of a chunk drops the rest of it", async () => {
    const events: AsyncIterator<DecodedEvent> = decodeEventStream(source(["data: a\n\n: c\ndata: b\n\n"]).body, {
      onComment: () => void events.return?.(),
    });
    expect((await events.next()).done).toBe(true);
    expect((await events.next()).done).toBe(true);
  });

  describe("leaves out", () => {
    test("events for which parse returns undefined, which it may decide by their name and id", async () => {
      const wire =
        "event: ping\ndata: now\n\nid: 7\ndata: 1\n\nid: old\ndata: 2\n\nevent: ping\ndata: {\n\ndata: 3\n\n";
      const seen: DecodedEvent[] = [];
      const events = await all(responseOf(wire), {
        parse: (data, event) => {
          seen.push(event);
          return event.event === "ping" || event.id === "old" ? undefined : (JSON.parse(data) as number);
        },
      });
      expect(events).toEqual([{ id: "7", data: 1 }, { data: 3 }]);
      expect(seen[0]).toEqual({ event: "ping", data: "now" });
      expect(seen).toHaveLength(5);
    });

    test("empty data where there is a parse, without calling it", async () => {
      const wire = "id: 123\ndata: \n\ndata:\n\ndata\n\nevent: x\ndata:\n\ndata: 1\n\n";
      expect(await all(responseOf(wire), { parse: JSON.parse })).toEqual([{ data: 1 }]);
      expect((await all(responseOf(wire))).map(({ data }) => data)).toEqual(["", "", "", "", "1"]);
    });

    test("a whole chunk and the last of the body, and goes on behind it", async () => {
      const { body } = source(["data: 0\n\ndata: 0\n\n", ": c\n\n", "data: 1\n\n", "data: 0\n\n"]);
      expect(await all(body, { parse: (data) => Number(data) || undefined })).toEqual([{ data: 1 }]);
    });

    test("not what parse makes of it, be it null, false, 0 or empty", async () => {
      const wire = 'data: null\n\ndata: false\n\ndata: 0\n\ndata: ""\n\n';
      expect((await all(responseOf(wire), { parse: JSON.parse })).map(({ data }) => data as unknown)).toEqual([
        null,
        false,
        0,
        "",
      ]);
    });

    test("nothing of the types: what is yielded is never undefined", async () => {
      for await (const { data } of decodeEventStream(source(["data: 1\n\n"]).body, {
        parse: (text) => (text === "0" ? undefined : Number(text)),
      })) {
        const sum: number = data + 1;
        expect(sum).toBe(2);
      }
    });
  });

  test("where parse throws, the error names the event and says what to do", async () => {
    for (const [wire, named] of [
      ["event: ping\ndata: hello\n\n", '"ping"'],
      ["data: hello\n\n", '"message"'],
    ] as const) {
      const error = (await rejectionOf(all(responseOf(wire), { parse: JSON.parse }))) as Error;
      expect(error).toMatchObject({ code: "invalid-data" });
      expect(error.message).toContain(`event ${named}: "hello"`);
      expect(error.message).toContain("return undefined");
      expect(error.message).toContain("sentinel");
    }
    const long = `event: ${"e".repeat(9999)}\ndata: ${"d".repeat(9999)}\n\n`;
    expect(((await rejectionOf(all(responseOf(long), { parse: JSON.parse }))) as Error).message.length).toBeLessThan(
      400,
    );
  });

  describe("takes of a list of content types the last valid one", () => {
    for (const type of [
      "application/json, text/event-stream",
      "text/event-stream, text/event-stream",
      "text/event-stream; charset=utf-8, text/event-stream",
      'application/json; a="x, y", text/event-stream',
      'text/event-stream; a="x, application/json"',
      'text/event-stream; a="\\", application/json"',
      'text/event-stream; a="application/json, b',
      "text/event-stream, */*",
      "text/event-stream, */*;q=0.1",
      "text/event-stream, nonsense, text/, /html, te xt/html, ,",
      "text/event-stream;;;charset",
      "TEXT/Event-Stream\t ;charset=x",
      ", text/event-stream",
    ]) {
      test(`which is an event stream's: ${type}`, async () => {
        expect(await all(responseOf("data: a\n\n", 200, type))).toHaveLength(1);
      });
    }

    for (const type of [
      "text/event-stream, application/json",
      "text/event-stream, application/json, */*",
      'application/json; a="x, text/event-stream"',
      'application/json; a="\\", text/event-stream"',
      'application/json; a="text/event-stream, b',
      '"text/event-stream"',
      "*/*",
      "nonsense",
      "text/event-stream charset=utf-8",
      "text/event-stream/x",
      " ",
    ]) {
      test(`which is not: ${type}`, () => {
        const error = thrownBy(() => decodeEventStream(responseOf("data: a\n\n", 200, type)));
        expect(error).toMatchObject({ code: "invalid-response" });
        expect((error as Error).message).toContain("response.body");
      });
    }
  });

  test("an invalid response's error has its status, its type and what to do", () => {
    const messageOf = (status: number, type: string | null): string =>
      (thrownBy(() => decodeEventStream(responseOf("x", status, type))) as Error).message;
    expect(messageOf(503, "text/html")).toMatch(/status 503 and type "text\/html"; .*response\.text\(\)/);
    expect(messageOf(200, "text/html")).toMatch(/status 200 and type "text\/html"; .*pass response\.body/);
    expect(messageOf(200, null)).toMatch(/status 200 and no type; /);
    expect(messageOf(500, `text/${"x".repeat(5000)}`).length).toBeLessThan(300);
  });

  describe("with unfinished: throw", () => {
    test("fails at the end of a body that ends inside an event, after the events before it", async () => {
      for (const chunks of [["data: a\n\ndata: b\n\ndata: c\n"], ["data: a\n\nda", "ta: b\n\n", "dat"]]) {
        const events = decodeEventStream(source(chunks).body, { unfinished: "throw" });
        expect((await events.next()).value).toEqual({ data: "a" });
        expect((await events.next()).value).toEqual({ data: "b" });
        expect(await rejectionOf(events.next())).toMatchObject({ code: "unfinished", option: "unfinished" });
        expect((await events.next()).done).toBe(true);
      }
    });

    test("does not fail at the end of whole events, nor once the sentinel was seen", async () => {
      const whole = source(["data: a\n\n: bye\n", "retry: 5\n"]).body;
      expect(await all(whole, { unfinished: "throw" })).toEqual([{ data: "a" }]);
      const told = source(["data: a\n\ndata: [DONE]\n\ndata: b"]).body;
      expect(await all(told, { unfinished: "throw", sentinel: "[DONE]" })).toEqual([{ data: "a" }]);
    });

    test("fails at the end of a body without the sentinel only where it ends inside an event", async () => {
      const options = { unfinished: "throw", sentinel: "[DONE]" } as const;
      expect(await all(source(["data: a\n\n"]).body, options)).toEqual([{ data: "a" }]);
      expect(await rejectionOf(all(source(["data: a\n\ndata: [DON"]).body, options))).toMatchObject({
        code: "unfinished",
      });
    });
  });

  describe("gives everything else a turn", () => {
    const bodies: Readonly<Record<string, () => AsyncIterable<string | Uint8Array> | ReadableStream<Uint8Array>>> = {
      "small chunks": () => endless("data: a\n\n"),
      "chunks without an event": () => endless(": c\n"),
      "one chunk that is large": async function* () {
        yield utf8.encode("data: a\n\n".repeat(1_000_000));
      },
      "one string that is large": async function* () {
        yield "data: a\n\n".repeat(1_000_000);
      },
      "a stream that is always ready": () =>
        new ReadableStream({ pull: (controller) => controller.enqueue(utf8.encode("data: a\n\n".repeat(100))) }),
      "events that parse leaves out": () => endless("data: 0\n\n".repeat(100)),
    };
    for (const [what, body] of Object.entries(bodies)) {
      test(`while it reads ${what}`, async () => {
        let hadTurn = false;
        setTimeout(() => {
          hadTurn = true;
        }, 0);
        let read = 0;
        let looked = 0;
        const counted = async function* (): AsyncGenerator<string | Uint8Array> {
          for await (const chunk of body() as AsyncIterable<string | Uint8Array>) {
            if (hadTurn || looked++ > 300_000) return;
            yield chunk;
          }
        };
        const events = decodeEventStream(counted(), { parse: (data) => (data === "0" ? undefined : data) });
        for await (const { data } of events) {
          expect(data === "a" || read > 0).toBe(true);
          if (hadTurn || ++read >= 900_000) break;
        }
        expect(hadTurn).toBe(true);
      });
    }

    async function* endless(chunk: string): AsyncGenerator<string> {
      for (;;) yield chunk;
    }
  });

  describe("with a signal", () => {
    test("that is aborted already rejects with its reason and cancels the body", async () => {
      const origin = source(["data: a\n\n"]);
      const reason = new Error("too late");
      const events = decodeEventStream(origin.body, { signal: AbortSignal.abort(reason) });
      expect(await rejectionOf(events.next())).toBe(reason);
      expect((await events.next()).done).toBe(true);
      expect(origin).toMatchObject({ pulled: 0, cancelled: true, reason });
    });

    test("rejects the read that waits, even where the body does not answer", async () => {
      const stalled = { [Symbol.asyncIterator]: () => ({ next: never, return: never }) } as AsyncIterable<string>;
      for (const body of [source([], "stays open").body, stalled]) {
        const { controller, listeners } = controllerWithCount();
        const events = decodeEventStream(body, { signal: controller.signal });
        const waiting = [rejectionOf(events.next()), events.next()];
        await turns();
        const reason = new Error("stop");
        controller.abort(reason);
        expect(await waiting[0]).toBe(reason);
        expect(await waiting[1]).toEqual({ done: true, value: undefined });
        expect(listeners()).toBe(0);
      }
    });

    test("drops the events that were not read yet, also once the body is over", async () => {
      const reason = new Error("stop");
      const { controller, listeners } = controllerWithCount();
      const events = decodeEventStream(source(["data: a\n\n", "data: b"]).body, {
        signal: controller.signal,
        unfinished: "deliver",
      });
      await events.next();
      controller.abort(reason);
      expect(await rejectionOf(events.next())).toBe(reason);
      expect(listeners()).toBe(0);
    });

    test("leaves no listener on it, however the iteration ends", async () => {
      const ends: readonly ((body: ReadableStream<Uint8Array>, signal: AbortSignal) => Promise<unknown>)[] = [
        (body, signal) => all(body, { signal }),
        (body, signal) => all(body, { signal, sentinel: "a" }),
        (body, signal) => rejectionOf(all(body, { signal, parse: JSON.parse })),
        (body, signal) => rejectionOf(all(body, { signal, maxLineLength: 3 })),
        async (body, signal) => decodeEventStream(body, { signal }).return?.(),
      ];
      for (const end of ends) {
        const { controller, listeners } = controllerWithCount();
        await end(source(["data: a\n\n"]).body, controller.signal);
        expect(listeners()).toBe(0);
      }
    });
  });
});

describe("EventDecoderStream", () => {
  test("turns bytes into events", async () => {
    const { body } = source(["id: 1\ndata: a\n\nda", "ta: b\n\nretry: 5\n"]);
    const stream = new EventDecoderStream();
    expect(await all(body.pipeThrough(stream) as never, undefined, "as events")).toEqual([
      { data: "a", id: "1" },
      { data: "b" },
    ]);
    expect(stream).toMatchObject({ lastEventId: "1", reconnectionTime: 5 });
  });

  test("starts from a last event ID, and delivers what is unfinished when told to", async () => {
    const stream = new EventDecoderStream({ lastEventId: "4", unfinished: "deliver" });
    expect(stream.lastEventId).toBe("4");
    expect(await all(source(["data: a"]).body.pipeThrough(stream) as never, undefined, "as events")).toEqual([
      { data: "a" },
    ]);
  });

  test("with unfinished: throw, errors at the end inside an event, once the events before it have been read", async () => {
    const stage = (): EventDecoderStream => new EventDecoderStream({ unfinished: "throw" });
    for (const chunks of [["data: a\n\ndata: b\n\ndata: c"], ["data: a\n\n", "data: b\n\n", "id: 1\n"]]) {
      const reader = source(chunks).body.pipeThrough(stage()).getReader();
      await turns();
      expect((await reader.read()).value).toEqual({ data: "a" });
      expect((await reader.read()).value).toEqual({ data: "b" });
      expect(await rejectionOf(reader.read())).toMatchObject({ code: "unfinished" });
    }
    const whole = source(["data: a\n\n: c"]).body.pipeThrough(stage());
    expect(await all(whole as never, undefined, "as events")).toEqual([{ data: "a" }]);
    const origin = source(["data: a\n\n"], "stays open");
    const left = origin.body.pipeThrough(stage()).getReader();
    await left.read();
    await left.cancel("enough");
    await turns();
    expect(origin).toMatchObject({ cancelled: true, reason: "enough" });
  });

  test("errors past a limit, and cancels what it reads from", async () => {
    const origin = source(["data: a\n\n", "data: 12345"], "stays open");
    const reader = origin.body.pipeThrough(new EventDecoderStream({ maxLineLength: 8 })).getReader();
    expect((await reader.read()).value).toEqual({ data: "a" });
    expect(await rejectionOf(reader.read())).toBeInstanceOf(SluiceError);
    await turns();
    expect(origin.cancelled).toBe(true);
  });

  test("reads no further than its reader", async () => {
    const origin = source(Array.from({ length: 100 }, (_, at) => `data: ${at}\n\n`));
    const reader = origin.body.pipeThrough(new EventDecoderStream()).getReader();
    await reader.read();
    await turns();
    expect(origin.pulled).toBeLessThan(5);
    await reader.cancel();
    await turns();
    expect(origin.cancelled).toBe(true);
  });

  test("refuses wrong options", () => {
    expect(thrownBy(() => new EventDecoderStream({ maxIdLength: -1 }))).toMatchObject({ option: "maxIdLength" });
  });
});

/** A body that counts what is asked of it. */
function source(
  chunks: readonly string[],
  after: "ends" | "stays open" = "ends",
): { readonly body: ReadableStream<Uint8Array>; pulled: number; cancelled: boolean; reason: unknown } {
  const origin = {
    body: undefined as unknown as ReadableStream<Uint8Array>,
    pulled: 0,
    cancelled: false,
    reason: undefined as unknown,
  };
  origin.body = new ReadableStream<Uint8Array>(
    {
      pull(controller): void | Promise<void> {
        const chunk = chunks[origin.pulled];
        if (chunk !== undefined) controller.enqueue(utf8.encode(chunk));
        else if (after === "ends") controller.close();
        else return never();
        origin.pulled++;
      },
      cancel(reason): void {
        origin.cancelled = true;
        origin.reason = reason;
      },
    },
    { highWaterMark: 0 },
  );
  return origin;
}

function responseOf(wire: string, status = 200, type: string | null = "text/event-stream"): Response {
  const headers = new Headers(type === null ? {} : { "Content-Type": type });
  return new Response(source([wire]).body, { status, headers });
}

async function all<Data = string>(
  body: EventStreamBody,
  options?: DecodeEventStreamOptions<Data>,
  how: "as bytes" | "as events" = "as bytes",
): Promise<DecodedEvent<Data>[]> {
  const events: DecodedEvent<Data>[] = [];
  const from =
    how === "as events" ? (body as unknown as AsyncIterable<DecodedEvent<Data>>) : decodeEventStream(body, options);
  for await (const event of from) events.push(event);
  return events;
}

/** An abort controller, and how many listeners its signal has. */
function controllerWithCount(): { readonly controller: AbortController; readonly listeners: () => number } {
  const controller = new AbortController();
  const { signal } = controller;
  const listening = new Set<unknown>();
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (type: string, listener: never, options?: never): void => {
    listening.add(listener);
    add(type, listener, options);
  };
  signal.removeEventListener = (type: string, listener: never): void => {
    listening.delete(listener);
    remove(type, listener);
  };
  return { controller, listeners: () => listening.size };
}

function never(): Promise<never> {
  return new Promise(() => {});
}

/** Long enough for everything that is ready to happen. */
function turns(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}

function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error("Nothing was thrown");
}

function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error("Nothing was rejected");
    },
    (error: unknown) => error,
  );
}
