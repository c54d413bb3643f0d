import { describe, expect, test } from "vitest";
import { createHub, createResponder, eventStream } from "../src/index.ts";
import type { EventStreamOptions, FetchNative, Sink, SinkEnd, Source } from "../src/index.ts";

const HERE = "http://localhost/stream";
const line = /^Cannot open event stream: [^\n]+\n$/;

interface Asked {
  readonly response: Response;
  readonly text: string;
  readonly errors: readonly unknown[];
}

async function ask(
  request: RequestInit & { readonly url?: string },
  options: EventStreamOptions<FetchNative> = {},
  source: Source<FetchNative> = () => [{ data: "hello" }],
): Promise<Asked> {
  const errors: unknown[] = [];
  const handler = eventStream(source, { onError: (error) => errors.push(error), ...options });
  const response = await handler(new Request(request.url ?? HERE, request));
  return { response, text: await response.text(), errors };
}

/** A platform's response, and how it was ended. */
class PlainSink implements Sink {
  readonly buffered = 0;
  status = 0;
  text = "";
  how: SinkEnd | "aborted" | undefined = undefined;

  open(status: number): void {
    this.status = status;
  }

  write(bytes: Uint8Array): boolean {
    this.text += new TextDecoder().decode(bytes);
    return true;
  }

  end(how: SinkEnd): void {
    this.how = how;
  }

  abort(): void {
    this.how = "aborted";
  }
}

async function endOf(
  method: string,
  source: Source<undefined>,
  options: EventStreamOptions<undefined> = {},
): Promise<PlainSink> {
  const sink = new PlainSink();
  const responder = createResponder(source, { onError: () => {}, ...options });
  const exchange = { method, url: new URL(HERE), headers: new Headers(), native: undefined };
  await responder.respond(exchange, sink).closed;
  return sink;
}

describe("POST", () => {
  test("is answered with a stream whatever the Accept header says", async () => {
    for (const accept of ["application/json", "text/html", "text/event-stream;q=0", "*/*;q=0", "nonsense"]) {
      const { response, text } = await ask({ method: "POST", headers: { Accept: accept } });
      expect([accept, response.status, text]).toEqual([accept, 200, ":\ndata: hello\n\n"]);
    }
  });

  test("is for otherwise, where there is one, unless it names event streams", async () => {
    const options = { otherwise: () => Response.json({ json: true }) };
    const json = await ask({ method: "POST", headers: { Accept: "application/json" } }, options);
    const stream = await ask({ method: "POST", headers: { Accept: "text/event-stream" } }, options);
    expect([json.text, stream.text]).toEqual(['{"json":true}', ":\ndata: hello\n\n"]);
  });

  test("is told no reconnection time, however it ends", async () => {
    const hub = createHub();
    const sources: Source<undefined>[] = [
      () => [{ data: "hello" }],
      () => Promise.reject(new Error("failed")),
      hub.channel("c"),
      ({ signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve())),
    ];
    const ends = sources.map((source) => endOf("POST", source, { maxAge: 20, retry: 5 }));
    for (const { text } of await Promise.all(ends)) expect(text).toMatch(/^:\n(?!retry)/);
    for (const { text } of await Promise.all(ends)) expect(text).not.toContain("retry");
    await hub.close();
  });

  test("breaks off when its source fails, and every other time that it does not come to its end", async () => {
    const hub = createHub({ maxReplayBytes: 1 });
    const channel = hub.channel("c");
    await channel.publish([{ data: "1" }, { data: "2" }]);
    const waits: Source<undefined> = async ({ send, signal }) => {
      await send({ data: "before" });
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    };
    const early: Record<string, Promise<PlainSink>> = {
      "throws at once": endOf("POST", () => {
        throw new Error("failed");
      }),
      "throws later": endOf("POST", async function* () {
        yield { data: "before" };
        throw new Error("failed");
      }),
      "an event that is refused": endOf("POST", () => [{ data: "before" }, { event: "a\nb", data: "" }]),
      "max-age": endOf("POST", waits, { maxAge: 20 }),
      expired: endOf("POST", waits, { authorize: () => ({ expiresAt: Date.now() + 20 }) }),
      "replay-budget": endOf("POST", channel, { start: "start", maxWriteBytes: 1 }),
    };
    const drained = endOf("POST", waits, { hub });
    await hub.drain({ within: 20 });
    for (const [name, end] of Object.entries({ ...early, drained })) {
      expect([name, (await end).status, (await end).how]).toEqual([name, 200, "broken"]);
    }
    expect((await early["throws later"])?.text).toBe(":\ndata: before\n\n");
    const finished = await endOf("POST", () => [{ data: "all" }]);
    expect([finished.text, finished.how]).toEqual([":\ndata: all\n\n", "complete"]);
    await hub.close();
  });

  test("gives what was sent before, and then an error, to whoever reads the body of a Response", async () => {
    const handler = eventStream(
      async function* () {
        yield { data: "before" };
        throw new Error("secret");
      },
      { onError: () => {} },
    );
    const { body } = await handler(new Request(HERE, { method: "POST" }));
    const reader = (body as ReadableStream<Uint8Array>).getReader();
    let text = "";
    const reading = (async () => {
      for (;;) text += new TextDecoder().decode((await reader.read()).value);
    })();
    await expect(reading).rejects.toThrow("broken off");
    expect(text).toBe(":\ndata: before\n\n");
  });

  test("is turned away with 503 by a hub that drains or is full, and GET with 200 and a time to come back", async () => {
    const hub = createHub({ maxConnections: 1 });
    const staying = await eventStream(hub.channel("c"))(new Request(HERE));
    const full = [await ask({ method: "POST" }, {}, hub.channel("c")), await ask({}, {}, hub.channel("c"))];
    const drained = hub.drain({ within: 20 });
    const draining = [await ask({ method: "POST" }, { hub }), await ask({}, { hub })];
    for (const [post, get] of [full, draining]) {
      expect([post?.response.status, post?.text]).toEqual([503, expect.stringMatching(line)]);
      expect(post?.response.headers.get("Retry-After")).toMatch(/^[2-5]$/);
      expect([get?.response.status, get?.text]).toEqual([200, expect.stringMatching(/^:\nretry: \d+\n$/)]);
    }
    await staying.body?.cancel();
    await drained;
    await hub.close();
  });

  test("breaks off where a hub turns it away when its headers have left", async () => {
    const hub = createHub({ maxConnections: 1 });
    const staying = await eventStream(hub.channel("c"))(new Request(HERE));
    const late = await endOf("POST", async () => hub.channel("c"));
    expect([late.status, late.text, late.how]).toEqual([200, ":\n", "broken"]);
    await staying.body?.cancel();
    await hub.close();
  });
});

describe("GET", () => {
  test("ends cleanly however it ends, as its client comes back", async () => {
    const failed = await endOf("GET", () => {
      throw new Error("failed");
    });
    const aged = await endOf("GET", ({ closed }) => closed.then(() => {}), { maxAge: 20 });
    expect([failed.how, aged.how]).toEqual(["complete", "complete"]);
  });
});

describe("refusals", () => {
  const headers = { "Access-Control-Allow-Origin": "https://example.com", Vary: "Origin" };
  const refused = (status: number) => ({
    headers,
    authorize: () => Promise.reject(Object.assign(new Error(), { status })),
  });
  const cases: [status: number, request: RequestInit, options: EventStreamOptions<FetchNative>][] = [
    [204, { headers: { "Last-Event-ID": "sluice.end" } }, { headers }],
    [401, {}, refused(401)],
    [401, {}, { headers, authorize: () => ({ expiresAt: 0 }) }],
    [402, {}, refused(402)],
    [403, {}, { headers, authorize: () => false }],
    [405, { method: "PUT" }, { headers }],
    [406, { headers: { Accept: "text/html" } }, { headers }],
    [429, {}, refused(429)],
    [500, {}, { headers, authorize: () => Promise.reject(new Error("secret")) }],
    [503, {}, refused(503)],
  ];
  for (const [status, request, options] of cases) {
    test(`${status} has the fixed headers, and says why in a line where it may`, async () => {
      const { response, text } = await ask(request, options);
      expect(response.status).toBe(status);
      expect(response.headers.get("Access-Control-Allow-Origin")).toBe("https://example.com");
      expect(response.headers.get("Vary")).toBe("Origin");
      expect(response.headers.get("Cache-Control")).toBe("no-store");
      if (status === 204) return expect(text).toBe("");
      expect(text).toMatch(line);
      expect(response.headers.get("Content-Type")).toBe("text/plain; charset=utf-8");
      const head = await ask({ ...request, method: "HEAD" }, options);
      // A method that is not supported became one that is.
      if (status !== 405) expect([head.response.status, head.text]).toEqual([status, ""]);
    });
  }

  test("do not have the headers that a function would make: nobody has been admitted", async () => {
    let calls = 0;
    const { response } = await ask({}, { authorize: () => false, headers: () => ({ "X-Calls": `${calls++}` }) });
    expect([response.headers.get("X-Calls"), calls]).toEqual([null, 0]);
  });

  test("of a limit have them, too", async () => {
    const hub = createHub({ maxConnectionsPerKey: 1 });
    const options = { headers, limitKey: () => "one" };
    const staying = await eventStream(hub.channel("c"), options)(new Request(HERE));
    const { response, text } = await ask({}, options, hub.channel("c"));
    expect([response.status, response.headers.get("Retry-After"), text]).toEqual([
      429,
      "30",
      expect.stringMatching(line),
    ]);
    expect(response.headers.get("Access-Control-Allow-Origin")).toBe("https://example.com");
    await staying.body?.cancel();
    await hub.close();
  });
});

describe("OPTIONS", () => {
  test("is answered with 204, the methods and the fixed headers, and runs nothing", async () => {
    let calls = 0;
    const count = (): void => void calls++;
    const preflight = { Origin: "https://example.com", "Access-Control-Request-Method": "POST", Accept: "*/*" };
    const options: EventStreamOptions<FetchNative> = {
      headers: { "Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "Last-Event-ID" },
      authorize: count,
    };
    for (const otherwise of [undefined, () => (count(), new Response())]) {
      for (const asked of [{}, preflight]) {
        const answer = await ask({ method: "OPTIONS", headers: asked }, { ...options, otherwise }, count);
        expect([answer.response.status, answer.text]).toEqual([204, ""]);
        expect(answer.response.headers.get("Allow")).toBe("GET, HEAD, OPTIONS, POST");
        expect(answer.response.headers.get("Access-Control-Allow-Origin")).toBe("*");
        expect(answer.response.headers.get("Access-Control-Allow-Headers")).toBe("Last-Event-ID");
      }
    }
    expect(calls).toBe(0);
  });
});

describe("an error that authorize throws", () => {
  const thrown = (error: unknown): EventStreamOptions<FetchNative> => ({
    headers: { "X-Fixed": "yes", "WWW-Authenticate": "Basic" },
    authorize: () => {
      throw error;
    },
  });

  test("may bring headers, over the fixed ones, and a body", async () => {
    for (const headers of [
      { "WWW-Authenticate": "Bearer" },
      [["www-authenticate", "Bearer"]],
      new Headers({ "WWW-Authenticate": "Bearer" }),
    ]) {
      const { response, text, errors } = await ask({}, thrown({ status: 401, headers, body: "who are you?" }));
      expect([response.status, text, errors]).toEqual([401, "who are you?", []]);
      expect(response.headers.get("WWW-Authenticate")).toBe("Bearer");
      expect(response.headers.get("X-Fixed")).toBe("yes");
      expect(response.headers.get("Content-Type")).toBe("text/plain; charset=utf-8");
    }
    const json = { status: 403, headers: { "Content-Type": "application/problem+json" }, body: '{"title":"no"}' };
    const { response, text } = await ask({}, thrown(json));
    expect([response.headers.get("Content-Type"), text]).toEqual(["application/problem+json", '{"title":"no"}']);
  });

  const bad: Record<string, unknown> = {
    "a framing header": { "Transfer-Encoding": "chunked", "X-Else": "1" },
    "a length": new Headers({ "Content-Length": "3" }),
    "a type without a body": { "Content-Type": "text/html" },
    "a control character": { "X-A": "a\u0001b" },
    "a line break": { "X-A": "a\r\nX-B: b" },
    "a bad name": { "bad name": "x" },
    "a string": "X-A: a",
    "a promise": Promise.resolve({}),
    "a getter that throws": {
      get a(): string {
        throw new Error("getter");
      },
    },
  };
  for (const [name, headers] of Object.entries(bad)) {
    test(`cannot bring ${name}: onError is told, and the refusal goes out`, async () => {
      const { response, text, errors } = await ask({}, thrown({ status: 401, headers }));
      expect([response.status, text]).toEqual([401, expect.stringMatching(line)]);
      expect(errors).toMatchObject([{ code: "invalid-option", option: "headers" }]);
      expect(response.headers.get("X-Else")).toBeNull();
      expect(response.headers.get("X-Fixed")).toBe("yes");
    });
  }

  for (const member of ["status", "headers", "body"]) {
    test(`answers 500 where its ${member} cannot be read, and onError is told`, async () => {
      const error = Object.defineProperty(new Error("secret"), "status", { value: 401, configurable: true });
      Object.defineProperty(error, member, {
        get: () => {
          throw new Error("getter");
        },
      });
      const { response, text, errors } = await ask({}, thrown(error));
      expect([response.status, text]).toEqual([500, expect.stringMatching(line)]);
      expect(errors).toMatchObject([{ message: "getter" }]);
    });
  }

  test("may be anything else", async () => {
    const hostile = new Proxy(
      {},
      {
        has: () => {
          throw new Error("trap");
        },
      },
    );
    for (const error of [
      undefined,
      null,
      401,
      "401",
      hostile,
      { status: 401, body: {} },
      { status: 401, headers: null },
    ]) {
      const { response, text } = await ask({}, thrown(error));
      expect([500, 401]).toContain(response.status);
      expect(text).toMatch(line);
    }
  });

  test("and cannot be read changes nothing when authorize is asked again", async () => {
    let asked = 0;
    const told = Promise.withResolvers<unknown>();
    const response = await eventStream(({ closed }) => closed.then(() => {}), {
      revalidate: 10,
      authorize: () => {
        if (asked++ === 0) return;
        throw Object.defineProperty({}, "status", {
          get: () => {
            throw new Error("getter");
          },
        });
      },
      onError: told.resolve,
    })(new Request(HERE));
    expect(await told.promise).toMatchObject({ message: "getter" });
    const reader = response.body?.getReader();
    expect((await reader?.read())?.done).toBe(false);
    await reader?.cancel();
  });
});
