import { describe, expect, test } from "vitest";
import { createDecoder, createResponder, eventStream, SluiceError } from "../src/index.ts";
import type {
  Connection,
  DecodedEvent,
  EventStreamOptions,
  FetchNative,
  ServerSentEvent,
  Source,
} from "../src/index.ts";

const URL_HERE = "http://localhost/stream";

async function ask(
  source: Source<FetchNative>,
  options: EventStreamOptions<FetchNative> = {},
  request: Request = new Request(URL_HERE),
): Promise<{ response: Response; events: DecodedEvent[]; text: string }> {
  const response = await eventStream(source, options)(request);
  const text = await response.text();
  const events: DecodedEvent[] = [];
  const decoder = createDecoder({ onEvent: (event) => events.push(event) });
  decoder.push(text);
  decoder.end();
  return { response, events, text };
}

function post(headers: Record<string, string> = {}): Request {
  return new Request(URL_HERE, { method: "POST", headers });
}

function get(headers: Record<string, string>, query = ""): Request {
  return new Request(URL_HERE + query, { headers });
}

function thrownBy(run: () => unknown): SluiceError {
  try {
    run();
  } catch (error) {
    if (error instanceof SluiceError) return error;
  }
  throw new Error("expected a SluiceError");
}

function until(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve());
  });
}

/** Reads the response until `count` events have come, and gives the reader to go on, or to cancel. */
async function readEvents(response: Response, count: number): Promise<ReadableStreamDefaultReader<Uint8Array>> {
  let seen = 0;
  const decoder = createDecoder({ onEvent: () => seen++ });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  while (seen < count) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`ended after ${seen} events`);
    decoder.push(value);
  }
  return reader;
}

const one: ServerSentEvent = { event: "n", id: "1", data: { n: 1 } };
const two: ServerSentEvent = { data: "two\nlines" };
const decoded: DecodedEvent[] = [{ event: "n", data: '{"n":1}', id: "1" }, { data: "two\nlines" }];

describe("every kind of source", () => {
  const streamOf = (): ReadableStream<ServerSentEvent> =>
    new ReadableStream({
      start(controller) {
        controller.enqueue(one);
        controller.enqueue(two);
        controller.close();
      },
    });
  const kinds: Record<string, Source<FetchNative>> = {
    "an async generator": async function* () {
      yield one;
      yield two;
    },
    "a generator": function* () {
      yield one;
      yield two;
    },
    "an array": () => [one, two],
    "a promise of an array": async () => [one, two],
    "a ReadableStream": streamOf,
    "a promise of a ReadableStream": async () => streamOf(),
    "a callback that sends and waits": async ({ send }: Connection<FetchNative>) => {
      await send(one);
      await send(two);
    },
    "a callback that sends and does not wait": (connection) => {
      void connection.send(one);
      void connection.send(two);
    },
  };
  for (const [kind, source] of Object.entries(kinds)) {
    test(`${kind} delivers its events`, async () => {
      const { events } = await ask(source, {}, post());
      expect(events).toEqual(decoded);
    });
  }

  const refused: Record<string, [unknown, string]> = {
    "a string": ["tokens", '"tokens"'],
    "a number": [7, "7"],
    null: [null, "null"],
    bytes: [new Uint8Array(3), "bytes"],
    "a Response": [new Response("x"), "return decodeEventStream(response)"],
  };
  for (const [kind, [value, shown]] of Object.entries(refused)) {
    test(`${kind} is no sequence of events: onError is told what to return`, async () => {
      const errors: unknown[] = [];
      const { response, events } = await ask((() => value) as Source<FetchNative>, {
        onError: (error) => errors.push(error),
      });
      expect([response.status, events]).toEqual([200, []]);
      expect(errors).toMatchObject([{ code: "invalid-source" }]);
      expect((errors[0] as Error).message).toContain(shown);
    });
  }

  test("what is no function is refused when the handler is made, and the message says why", () => {
    async function* generate(): AsyncGenerator<ServerSentEvent> {
      yield one;
    }
    const bad: unknown[] = [generate(), streamOf(), [one], undefined, "x"];
    const errors = bad.map((source) => thrownBy(() => eventStream(source as Source<FetchNative>)));
    expect(errors.map(({ code }) => code)).toEqual(bad.map(() => "invalid-source"));
    expect(errors[0]?.message).toContain("an iterator could serve one client only");
    expect(errors[1]?.message).toContain("a ReadableStream could serve one client only");
    expect(errors[2]?.message).toContain("source is […]; pass a function that returns it");
  });
});

describe("the first bytes", () => {
  test("headers, a comment and the reconnection time come before the first event", async () => {
    const response = await eventStream(async ({ signal }) => until(signal))(new Request(URL_HERE));
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toEqual({
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store, no-transform",
      "x-accel-buffering": "no",
      incremental: "?1",
    });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const text = new TextDecoder().decode((await reader.read()).value);
    const retry = Number(/^:\nretry: (\d+)\n$/.exec(text)?.[1]);
    expect(retry).toBeGreaterThanOrEqual(2000);
    expect(retry).toBeLessThanOrEqual(4000);
    await reader.cancel();
  });

  test("retry is a number, a range, or not told", async () => {
    const whenDone = "reconnect" as const;
    expect((await ask(() => [], { retry: 7, whenDone })).text).toBe(":\nretry: 7\n");
    expect((await ask(() => [], { retry: false, whenDone })).text).toBe(":\n");
    const told = new Set<number>();
    for (let i = 0; i < 200; i++) {
      told.add(Number(/retry: (\d+)/.exec((await ask(() => [], { retry: [10, 12] })).text)?.[1]));
    }
    expect([...told].toSorted()).toEqual([10, 11, 12]);
  });

  test("the user's headers go over the defaults, cookies beside each other", async () => {
    const headers = [
      ["Cache-Control", "no-cache"],
      ["X-Custom", "1"],
      ["Set-Cookie", "a=1"],
      ["Set-Cookie", "b=2"],
    ] as const;
    const { response } = await ask(() => [], { headers });
    expect(response.headers.get("Cache-Control")).toBe("no-cache");
    expect(response.headers.get("X-Custom")).toBe("1");
    expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
    const perConnection = await ask(() => [], { headers: ({ url }) => ({ "X-Path": url.pathname }) });
    expect(perConnection.response.headers.get("X-Path")).toBe("/stream");
  });

  test("headers that cannot be sent are refused: a promise, a control character", async () => {
    expect(() => eventStream(() => [], { headers: { "X-A": "a\u0001b" } })).toThrow("control character");
    const errors: unknown[] = [];
    const headers = (async () => ({})) as unknown as () => Record<string, string>;
    const { response } = await ask(() => [], { headers, onError: (error) => errors.push(error) });
    expect(response.status).toBe(500);
    expect(errors).toMatchObject([{ code: "invalid-option", option: "headers" }]);
  });

  test("a headers function that throws answers 500, and its text stays here", async () => {
    const errors: unknown[] = [];
    const { response, text } = await ask(() => [], {
      headers: () => {
        throw new Error("secret");
      },
      onError: (error) => errors.push(error),
    });
    expect([response.status, text]).toEqual([500, expect.stringMatching(/^Cannot open event stream: .*\n$/)]);
    expect(errors).toMatchObject([{ message: "secret" }]);
  });
});

describe("methods and Accept", () => {
  test("HEAD gets the headers, and the source is not called", async () => {
    let calls = 0;
    const { response, text } = await ask(() => void calls++, {}, new Request(URL_HERE, { method: "HEAD" }));
    expect([response.status, text, calls]).toEqual([200, "", 0]);
    expect(response.headers.get("Content-Type")).toBe("text/event-stream; charset=utf-8");
  });

  test("other methods than GET, HEAD and POST are not answered with a stream", async () => {
    for (const method of ["PUT", "DELETE", "PATCH"]) {
      const { response } = await ask(() => [one], {}, new Request(URL_HERE, { method }));
      expect([response.status, response.headers.get("Allow")]).toEqual([405, "GET, HEAD, OPTIONS, POST"]);
    }
  });

  const accepts: [accept: string, status: number, withOtherwise: "stream" | "otherwise"][] = [
    ["text/event-stream", 200, "stream"],
    ["TEXT/Event-Stream; charset=utf-8", 200, "stream"],
    ["application/json, text/event-stream;q=0.5", 200, "stream"],
    ["*/*", 200, "otherwise"],
    ["text/*", 200, "otherwise"],
    ["", 200, "otherwise"],
    ["application/json", 406, "otherwise"],
    ["text/event-stream;q=0, */*", 406, "otherwise"],
    ["text/event-stream; q=0.000", 406, "otherwise"],
    ["*/*;q=0", 406, "otherwise"],
    ["text/html,application/xhtml+xml,*/*;q=0.8", 200, "otherwise"],
    ["q=1;;;,,,/", 406, "otherwise"],
  ];
  for (const [accept, status, target] of accepts) {
    test(`Accept: ${accept || "(empty)"} answers ${status}, and with otherwise ${target}`, async () => {
      const plain = await ask(() => [one], {}, get({ Accept: accept }));
      expect(plain.response.status).toBe(status);
      const both = await ask(() => [one], { otherwise: () => Response.json({ json: true }) }, get({ Accept: accept }));
      expect(both.text.startsWith('{"json":true}') ? "otherwise" : "stream").toBe(target);
    });
  }
});

describe("the last event ID", () => {
  async function told(request: Request, options: EventStreamOptions<FetchNative> = {}): Promise<unknown> {
    const { events } = await ask(({ resume, lastEventId }) => [{ data: { resume, lastEventId } }], options, request);
    return JSON.parse(events[0]?.data ?? "null");
  }

  test("none is fresh", async () => {
    expect(await told(new Request(URL_HERE))).toEqual({ resume: "fresh" });
    expect(await told(get({ "Last-Event-ID": "" }))).toEqual({ resume: "fresh" });
    expect(await told(get({}, "?lastEventId="))).toEqual({ resume: "fresh" });
  });

  test("the header comes before the query", async () => {
    expect(await told(get({ "Last-Event-ID": "h" }, "?lastEventId=q"))).toEqual({
      resume: "resumed",
      lastEventId: "h",
    });
    expect(await told(get({}, "?lastEventId=q%20%E2%9C%93"))).toEqual({ resume: "resumed", lastEventId: "q ✓" });
  });

  test("an id outside ASCII comes as its UTF-8 bytes, as clients send it", async () => {
    const asByteString = String.fromCharCode(...new TextEncoder().encode("é✓"));
    expect(await told(get({ "Last-Event-ID": asByteString }))).toEqual({ resume: "resumed", lastEventId: "é✓" });
  });

  test("what can be no id is unknown, and nothing of it is passed on", async () => {
    const unknown = { resume: "unknown" };
    expect(await told(get({ "Last-Event-ID": "x".repeat(257) }))).toEqual(unknown);
    expect(await told(get({ "Last-Event-ID": "x".repeat(256) }))).toMatchObject({ resume: "resumed" });
    expect(await told(get({ "Last-Event-ID": "abcd" }), { maxLastEventIdLength: 3 })).toEqual(unknown);
    expect(await told(get({}, "?lastEventId=a%0Ab"))).toEqual(unknown);
    expect(await told(get({}, "?lastEventId=a%00b"))).toEqual(unknown);
    expect(await told(get({}, "?lastEventId=%FF"))).toEqual(unknown);
    expect(await told(get({ "Last-Event-ID": "\xff\xfe" }))).toEqual(unknown);
    expect(await told(get({ "Last-Event-ID": "a\tb" }))).toEqual(unknown);
  });
});

describe("a source that has finished", () => {
  const end = { event: "sluice.end", data: "{}", id: "sluice.end" };

  test("says so on GET, and the client that comes back gets 204 without another run", async () => {
    let runs = 0;
    const source = (): ServerSentEvent[] => {
      runs++;
      return [two];
    };
    expect((await ask(source)).events).toEqual([two, end]);
    const again = await ask(source, {}, get({ "Last-Event-ID": "sluice.end" }));
    expect([again.response.status, again.text, runs]).toEqual([204, "", 1]);
  });

  test("says nothing on POST, where no client comes back by itself", async () => {
    expect((await ask(() => [two], {}, post())).events).toEqual([two]);
    const again = await ask(({ resume }) => [{ data: resume }], {}, post({ "Last-Event-ID": "sluice.end" }));
    expect(again.events).toEqual([{ data: "unknown" }]);
  });

  test('with whenDone: "reconnect" it may be asked again', async () => {
    const options = { whenDone: "reconnect" } as const;
    expect((await ask(() => [two], options)).events).toEqual([two]);
    expect((await ask(() => [two], options, get({ "Last-Event-ID": "sluice.end" }))).events).toEqual([two]);
  });
});

describe("authorize", () => {
  const cases: [name: string, authorize: () => unknown, status: number, reported: number][] = [
    ["nothing", () => undefined, 200, 0],
    ["true", () => true, 200, 0],
    ["a promise", async () => {}, 200, 0],
    ["an expiry to come", () => ({ expiresAt: Date.now() + 60_000 }), 200, 0],
    ["an expiry as Date", () => ({ expiresAt: new Date(Date.now() + 60_000) }), 200, 0],
    ["false", () => false, 403, 0],
    ["an expiry that has passed", () => ({ expiresAt: Date.now() - 1 }), 401, 0],
    ["seconds in place of ms", () => ({ expiresAt: Math.floor(Date.now() / 1000) + 60 }), 401, 0],
    ["null", () => null, 500, 1],
    ["a number", () => 0, 500, 1],
    ["an invalid date", () => ({ expiresAt: new Date(NaN) }), 500, 1],
    ["an error with a status", () => Promise.reject(Object.assign(new Error("secret"), { status: 402 })), 402, 0],
    [
      "an error with a status of the server",
      () => Promise.reject(Object.assign(new Error("x"), { status: 503 })),
      503,
      1,
    ],
    [
      "an error with a status out of range",
      () => Promise.reject(Object.assign(new Error("x"), { status: 200 })),
      500,
      1,
    ],
    ["an error", () => Promise.reject(new Error("secret")), 500, 1],
  ];
  for (const [name, authorize, status, reported] of cases) {
    test(`${name} answers ${status}`, async () => {
      let reports = 0;
      let runs = 0;
      const { response, text } = await ask(
        () => {
          runs++;
          return [one];
        },
        { authorize: authorize as EventStreamOptions["authorize"], onError: () => reports++ },
      );
      expect([response.status, reports, runs]).toEqual([status, reported, status === 200 ? 1 : 0]);
      expect(text).not.toContain("secret");
      if (status !== 200) expect(text).toMatch(/^Cannot open event stream: .*\n$/);
    });
  }

  test("nothing can be sent before it has answered", async () => {
    const codes: unknown[] = [];
    const trySend = async (connection: Connection): Promise<void> => {
      await connection.send({ data: "secret" }).catch((error: SluiceError) => codes.push(error.code));
    };
    const failing = async (connection: Connection): Promise<boolean> => {
      await trySend(connection);
      throw new Error("no");
    };
    const refused = await ask(() => [one], {
      authorize: async (connection) => {
        await trySend(connection);
        return false;
      },
    });
    expect(refused.response.status).toBe(403);
    const failed = await ask(() => [one], { authorize: failing, onError: (_, connection) => void trySend(connection) });
    expect(failed.response.status).toBe(500);
    expect(codes).toEqual(["invalid-state", "invalid-state", "invalid-state"]);
  });

  test("a client that leaves meanwhile starts nothing", async () => {
    const aborted = new AbortController();
    let runs = 0;
    let admit!: () => void;
    let connection: Connection | undefined;
    const handler = eventStream(() => void runs++, {
      authorize: (asking) => {
        connection = asking;
        return new Promise<void>((resolve) => {
          admit = resolve;
        });
      },
    });
    const response = handler(new Request(URL_HERE, { signal: aborted.signal }));
    aborted.abort();
    expect(await connection?.closed).toBe("disconnected");
    admit();
    expect((await response).status).toBe(499);
    expect(runs).toBe(0);
  });
});

describe("errors", () => {
  test("a source that throws ends the stream cleanly; its text stays here", async () => {
    const boom = new Error("secret");
    for (const after of [0, 1]) {
      const errors: unknown[] = [];
      const { response, events, text } = await ask(
        async function* () {
          if (after > 0) yield two;
          throw boom;
        },
        { onError: (error, { reason }) => errors.push(error, reason) },
      );
      expect([response.status, events]).toEqual([200, after === 0 ? [] : [two]]);
      expect(errors).toEqual([boom, undefined]);
      expect(text).not.toContain("secret");
    }
  });

  test("an event that cannot be sent ends a generator, whose finally runs, and is reported once", async () => {
    const errors: unknown[] = [];
    let cleaned = false;
    const { events } = await ask(
      async function* () {
        try {
          yield two;
          yield { id: "a\nid: b", data: "x" };
          yield two;
        } finally {
          cleaned = true;
        }
      },
      { onError: (error) => errors.push(error) },
    );
    expect(events).toEqual([two]);
    expect(cleaned).toBe(true);
    expect(errors).toMatchObject([{ code: "invalid-field", field: "id" }]);
  });

  test("a callback may catch it and go on; onError has been told, waiting or not", async () => {
    const errors: unknown[] = [];
    const { events } = await ask(
      async (connection) => {
        await connection.send({ event: "a\nb", data: "" }).catch(() => {});
        void connection.send({ data: 10n });
        await connection.send(two);
      },
      { onError: (error) => errors.push(error) },
      post(),
    );
    expect(events).toEqual([two]);
    expect(errors).toMatchObject([{ field: "event" }, { field: "data" }]);
  });

  test("a source that sends without waiting is ended before a hole can open, and onError is told why", async () => {
    const errors: unknown[] = [];
    const response = await eventStream(
      async ({ send, closed }) => {
        for (let n = 0; n < 100; n++) void send({ data: "x".repeat(100) });
        await closed;
      },
      { maxPendingBytes: 1000, onError: (error) => errors.push(error) },
    )(new Request(URL_HERE));
    await expect(response.text()).rejects.toThrow();
    expect(errors).toMatchObject([{ code: "overflow", option: "maxPendingBytes" }]);
  });

  test("a platform that refuses the response is told of, and is no unhandled rejection", async () => {
    const errors: unknown[] = [];
    let aborted = 0;
    const refuse = (): never => {
      throw new Error("headers have been sent");
    };
    const sink = { open: refuse, write: refuse, end: refuse, abort: () => aborted++, buffered: 0 };
    const onError = (error: unknown): void => void errors.push(error);
    for (const method of ["GET", "HEAD", "OPTIONS"]) {
      const responder = createResponder(() => [one], { onError });
      const exchange = { method, url: new URL(URL_HERE), headers: new Headers(), native: undefined };
      await responder.respond(exchange, sink).closed;
    }
    expect(errors.map((error) => (error as Error).message)).toEqual(Array(3).fill("headers have been sent"));
    expect(aborted).toBe(3);
  });

  test("an onError that is async and fails, or sends, harms nobody", async () => {
    const { response, events } = await ask(
      async function* () {
        yield two;
        throw undefined;
      },
      {
        onError: async (_, { send }) => {
          void send({ id: "a\nb", data: "" });
          throw new Error("async");
        },
      },
    );
    expect([response.status, events]).toEqual([200, [two]]);
  });

  test("a callback that forgets its promise hears of it when it sends too late", async () => {
    const errors: unknown[] = [];
    let late!: Promise<unknown>;
    const { events } = await ask(
      ({ send }) => {
        const sendTwice = async (): Promise<unknown> => {
          void send(two);
          return send(two).catch((error: unknown) => error);
        };
        late = new Promise((resolve) => setTimeout(() => resolve(sendTwice()), 5));
      },
      { onError: (error) => errors.push(error) },
      post(),
    );
    expect(events).toEqual([]);
    expect(await late).toMatchObject({ code: "connection-closed", reason: "finished" });
    expect(errors).toMatchObject([{ code: "connection-closed" }]);
    expect((errors[0] as Error).message).toContain("return a promise that lasts");
  });

  test("a source that rejects with nothing is reported all the same", async () => {
    const errors: unknown[] = [];
    await ask(() => Promise.reject(undefined), { onError: (error) => errors.push(error) });
    expect(errors).toEqual([undefined]);
  });

  test("an onError that throws harms nobody", async () => {
    const { response, events } = await ask(
      async function* () {
        yield two;
        throw new Error("first");
      },
      {
        onError: () => {
          throw new Error("second");
        },
      },
    );
    expect([response.status, events]).toEqual([200, [two]]);
  });

  const refusedEvents: [name: string, event: unknown, told: string][] = [
    ["a reserved event name", { event: "sluice.end", data: "" }, "reserved"],
    ["a reserved id", { id: "sluice.end", data: "" }, "reserved"],
    ["a string", "hello", "did you mean { data: … }?"],
    ["undefined", undefined, "expected an object"],
    ["bytes", new Uint8Array(1), "decodeEventStream"],
    ["another object", { message: "hi" }, "got an object with message"],
    ["data that is a function", { data: () => {} }, "data is a function; call it"],
    ["data that JSON cannot carry", { data: 1n }, "data is 1n; send String(value)"],
  ];
  for (const [name, event, told] of refusedEvents) {
    test(`${name} is refused with a word on what to do`, async () => {
      const errors: Error[] = [];
      await ask(() => [event as ServerSentEvent], { onError: (error) => errors.push(error as Error) });
      expect(errors).toMatchObject([{ code: "invalid-field" }]);
      expect(errors[0]?.message).toContain(told);
    });
  }

  test("data goes through serialize unless it is a string", async () => {
    const { events } = await ask(
      () => [{ data: "s" }, { data: null }, { data: [1] }],
      { serialize: (data) => `<${String(data)}>` },
      post(),
    );
    expect(events.map(({ data }) => data)).toEqual(["s", "<null>", "<1>"]);
  });
});

describe("a client that leaves", () => {
  test("stops a generator that waits for room: finally runs, once, and signal and closed say why", async () => {
    const seen: unknown[] = [];
    let leave!: () => void;
    const left = new Promise<void>((resolve) => {
      leave = resolve;
    });
    const response = await eventStream(async function* ({ signal, closed }) {
      void closed.then((reason) => seen.push(reason));
      signal.addEventListener("abort", () => seen.push((signal.reason as SluiceError).reason));
      try {
        for (;;) yield one;
      } finally {
        seen.push("finally");
        leave();
      }
    })(new Request(URL_HERE));
    const reader = await readEvents(response, 3);
    await reader.cancel();
    await left;
    await Promise.resolve();
    expect(seen.toSorted()).toEqual(["disconnected", "disconnected", "finally"]);
  });

  test("stops a generator that waits for its own next event, once that comes", async () => {
    let cleaned = false;
    const response = await eventStream(async function* ({ signal }) {
      try {
        yield one;
        await until(signal);
        yield two;
      } finally {
        cleaned = true;
      }
    })(new Request(URL_HERE));
    const reader = await readEvents(response, 1);
    await reader.cancel();
    await new Promise((resolve) => setTimeout(resolve, 1));
    expect(cleaned).toBe(true);
  });

  test("cancels a ReadableStream", async () => {
    const cancelled = new Promise<void>((resolve) => {
      void (async () => {
        const response = await eventStream(
          () =>
            new ReadableStream({
              pull: (controller) => controller.enqueue(one),
              cancel: () => resolve(),
            }),
        )(new Request(URL_HERE));
        await (await readEvents(response, 2)).cancel();
      })();
    });
    await cancelled;
  });

  test("by aborting its request is seen as by cancelling the body", async () => {
    const aborted = new AbortController();
    let connection: Connection | undefined;
    const response = await eventStream(async (open) => {
      connection = open;
      await until(open.signal);
    })(new Request(URL_HERE, { signal: aborted.signal }));
    expect(response.status).toBe(200);
    aborted.abort();
    expect(await connection?.closed).toBe("disconnected");
    expect(await connection?.send(one).catch((error: unknown) => error)).toMatchObject({
      code: "connection-closed",
      reason: "disconnected",
    });
  });

  test("is no error, also where the source passes the signal on and throws for it", async () => {
    const errors: unknown[] = [];
    const rethrow = async (signal: AbortSignal): Promise<void> => {
      await until(signal);
      throw signal.reason;
    };
    const response = await eventStream(({ signal }) => rethrow(signal), { onError: (error) => errors.push(error) })(
      new Request(URL_HERE),
    );
    await (await readEvents(response, 0)).cancel();
    await new Promise((resolve) => setTimeout(resolve, 1));
    expect(errors).toEqual([]);
  });

  test("gets a finally that throws reported", async () => {
    const told = new Promise((resolve) => {
      void (async () => {
        const response = await eventStream(
          async function* () {
            try {
              for (;;) yield one;
            } finally {
              // oxlint-disable-next-line no-unsafe-finally
              throw new Error("cleanup failed");
            }
          },
          { onError: (error) => resolve(error) },
        )(new Request(URL_HERE));
        await (await readEvents(response, 1)).cancel();
      })();
    });
    expect(await told).toMatchObject({ message: "cleanup failed" });
  });
});

test("a generator is pulled only while the client reads", async () => {
  let pulls = 0;
  const response = await eventStream(function* () {
    for (;;) {
      pulls++;
      yield { data: "x".repeat(1000) };
    }
  })(new Request(URL_HERE));
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(pulls).toBe(0);
  const reader = await readEvents(response, 10);
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(pulls).toBeLessThanOrEqual(12);
  await reader.cancel();
});
