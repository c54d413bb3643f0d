import { describe, expect, test } from "vitest";
import {
  createHub,
  encodeEvent,
  EventEncoderStream,
  eventStream,
  MAX_ENCODED_BYTES,
  memoryStore,
  SluiceError,
} from "../src/index.ts";
import type { EventStreamOptions, FetchNative, Hub, Source } from "../src/index.ts";

// What a compiler would refuse, or what it passes and nobody means.

function caught(run: () => unknown): SluiceError {
  try {
    run();
  } catch (error) {
    if (error instanceof SluiceError) return error;
    throw error;
  }
  throw new Error("Nothing was thrown");
}

/** What a source's client got, and what `onError` was told. */
async function ask(
  source: (connection: { send: (event: never) => Promise<void> }) => unknown,
  options: EventStreamOptions<FetchNative> = {},
): Promise<{ text: string; errors: SluiceError[] }> {
  const errors: SluiceError[] = [];
  const handler = eventStream(source as Source<FetchNative>, {
    onError: (error) => errors.push(error as SluiceError),
    ...options,
  });
  const response = await handler(new Request("http://localhost/"));
  return { text: await response.text(), errors };
}

function quietHub(told: unknown[] = []): Hub {
  return createHub({ onError: (error) => told.push(error) });
}

/** The four ways of data to the wire, each with the error that it ended in. */
const ways: Record<string, (make: () => unknown) => Promise<SluiceError | undefined>> = {
  yield: async (make) => (await ask(() => [{ data: make() }])).errors[0],
  send: async (make) => {
    let error: unknown;
    await ask(async ({ send }) => {
      await send({ data: make() } as never).catch((reason: unknown) => (error = reason));
    });
    return error as SluiceError | undefined;
  },
  publish: async (make) => {
    const hub = quietHub();
    try {
      await hub.channel("c").publish({ data: make() });
      return undefined;
    } catch (error) {
      return error as SluiceError;
    } finally {
      await hub.close();
    }
  },
  map: async (make) => {
    const hub = quietHub();
    const errors: unknown[] = [];
    const channel = hub.channel("c");
    await channel.publish({ data: "x" });
    const handler = eventStream(channel, {
      start: "start",
      map: () => ({ data: make() }),
      onError: (error) => errors.push(error),
    });
    const response = await handler(new Request("http://localhost/"));
    await channel.close();
    await response.text();
    await hub.close();
    return errors[0] as SluiceError | undefined;
  },
};

class Secret {
  readonly #value = 1;
  read(): number {
    return this.#value;
  }
}

const cycle: Record<string, unknown> = {};
cycle["me"] = { deeper: cycle };

describe("data of which JSON would lose what matters", () => {
  const lost: Readonly<Record<string, readonly [() => unknown, RegExp]>> = {
    "a promise": [() => Promise.resolve(1), /data is a promise; await it$/],
    "a promise that rejects": [() => Promise.reject(new Error("mine")), /data is a promise; await it$/],
    // oxlint-disable-next-line unicorn/no-thenable -- this is what is refused
    "a thenable": [() => ({ then: () => {} }), /data is a promise; await it$/],
    "an Error": [() => new RangeError("x"), /data is an Error; send error\.message/],
    "an Error with fields": [
      () => Object.assign(new Error("x"), { code: "E" }),
      /data is an Error; send error\.message/,
    ],
    "a Map": [() => new Map([["a", 1]]), /data is a Map; send Object\.fromEntries\(map\)/],
    "a Set": [() => new Set([1]), /data is a Set; send Array\.from\(set\)/],
    "a WeakMap": [() => new WeakMap(), /data is a WeakMap; send a plain object/],
    "a Response": [() => new Response("x"), /data is a Response; send what await response\.json\(\)/],
    "a Request": [() => new Request("http://a/"), /data is a Request; send/],
    // Bun gives them toJSON(), and so sends what is in them.
    ...(!("toJSON" in Headers.prototype) && {
      Headers: [() => new Headers({ a: "b" }), /data is a Headers; send Object\.fromEntries/],
      URLSearchParams: [() => new URLSearchParams("a=1"), /data is a URLSearchParams; send/],
    }),
    "a Blob": [() => new Blob(["x"]), /data is a Blob; send what await blob\.text\(\)/],
    "a stream": [() => new ReadableStream(), /data is a ReadableStream; read it/],
    "an async generator": [() => (async function* () {})(), /send an event for each of its items/],
    bytes: [() => new Uint8Array(2), /data is bytes; encode them as text, for instance base64/],
    "an ArrayBuffer": [() => new ArrayBuffer(2), /data is bytes; encode them/],
    "a DataView": [() => new DataView(new ArrayBuffer(2)), /data is bytes; encode them/],
    "numbers in a typed array": [() => new Float64Array(2), /data is bytes; .* make an array of them/],
    "a function": [() => () => 1, /data is a function; call it/],
    "a class": [() => Secret, /data is a class; send an object/],
    "a symbol": [() => Symbol("s"), /data is a symbol; send its description/],
    "a bigint": [() => 1n, /data is 1n; send String\(value\)/],
    NaN: [() => NaN, /data is NaN; send a finite number or null/],
    "an invalid Date": [() => new Date(NaN), /data is an invalid Date/],
    "an instance with private fields": [() => new Secret(), /data is an object of class Secret; send a plain object/],
    "a RegExp": [() => /x/, /data is a RegExp; send a plain object/],
    "a cycle": [() => cycle, /data cannot become JSON: it contains itself/],
    "a bigint within": [() => ({ a: [1n] }), /data cannot become JSON: it contains a bigint/],
    "a promise within": [() => ({ user: Promise.resolve(1), empty: {} }), /data\.user is a promise; await it$/],
    "promises in an array": [
      () => [Promise.reject(new Error("1")), Promise.reject(new Error("2"))],
      /data\[0\] is a promise/,
    ],
    "a Map deep within": [() => ({ a: [{ "b c": new Map() }] }), /data\.a\[0\]\["b c"\] is a Map/],
    "a getter that throws": [
      () => Object.defineProperty({}, "a", { enumerable: true, get: fail }),
      /reading it threw; see the cause/,
    ],
    "a Proxy that throws": [() => hostile(), /reading it threw; see the cause/],
    "toJSON that returns undefined": [() => ({ toJSON: () => undefined }), /toJSON\(\) of data returned/],
  };
  for (const [kind, [make, message]] of Object.entries(lost)) {
    test(`${kind} is refused by yield, send, publish and map, with what to do`, async () => {
      for (const [way, run] of Object.entries(ways)) {
        const error = await run(make);
        expect(error, way).toMatchObject({ code: "invalid-field", field: "data" });
        expect(error?.message, way).toMatch(message);
        expect(error?.message, way).toMatch(/^Cannot encode event: [^\n]+[^.]$/);
        expect(error?.message, way).not.toContain("serialize threw");
      }
    });
  }

  const kept: Record<string, [unknown, string]> = {
    "a plain object": [{ a: 1, b: {} }, '{"a":1,"b":{}}'],
    "an empty object": [{}, "{}"],
    "an object without a prototype": [Object.assign(Object.create(null), { a: {} }), '{"a":{}}'],
    "an empty array": [[], "[]"],
    null: [null, "null"],
    "a boolean": [false, "false"],
    "a Date": [new Date(0), '"1970-01-01T00:00:00.000Z"'],
    "a URL": [new URL("http://a/"), '"http://a/"'],
    "an Error with toJSON": [Object.assign(new Error("x"), { toJSON: () => "mine" }), '"mine"'],
    "a String object": [new String(""), '""'],
    "an instance with fields": [
      new (class Point {
        x = 1;
      })(),
      '{"x":1}',
    ],
    "text with braces": [["{}"], '["{}"]'],
  };
  for (const [kind, [data, text]] of Object.entries(kept)) {
    test(`${kind} is sent as JSON`, async () => {
      const { text: body, errors } = await ask(() => [{ data }]);
      expect(errors).toEqual([]);
      expect(body).toContain(`data: ${text}\n\n`);
    });
  }

  test("a serialize of one's own is asked for everything but a promise", async () => {
    const serialize = (data: unknown): string => (data instanceof Map ? "a map" : String(data));
    const { text, errors } = await ask(() => [{ data: new Map() }, { data: 1n }, { data: Promise.resolve(1) }], {
      serialize,
    });
    expect(text).toContain("data: a map\n\ndata: 1\n\n");
    expect(errors.map(({ message }) => message)).toEqual(["Cannot encode event: data is a promise; await it"]);
  });

  test("what is wrong with a serialize of one's own is said of it", async () => {
    const throwing = await ask(() => [{ data: 1 }], { serialize: fail });
    expect(throwing.errors[0]?.message).toBe("Cannot encode event: serialize threw on data; see the cause");
    expect(throwing.errors[0]?.cause).toMatchObject({ message: "mine" });
    const asynchronous = await ask(() => [{ data: 1 }], { serialize: (async () => fail()) as never });
    expect(asynchronous.errors[0]?.message).toContain("serialize returned a promise for data, which is 1");
  });
});

describe("an unknown field", () => {
  const meant: Record<string, [object, string]> = {
    type: [{ type: "x", data: "d" }, "did you mean event?"],
    name: [{ name: "x", data: "d" }, "did you mean event?"],
    eventName: [{ eventName: "x", data: "d" }, "did you mean event?"],
    Event: [{ Event: "x", data: "d" }, "did you mean event?"],
    payload: [{ event: "x", payload: "d" }, "did you mean data?"],
    message: [{ id: "1", message: "d" }, "did you mean data?"],
    body: [{ id: "1", body: "d" }, "did you mean data?"],
    value: [{ id: "1", value: "d" }, "did you mean data?"],
    eventId: [{ data: "d", eventId: "1" }, "did you mean id?"],
    "last-event-id": [{ data: "d", "last-event-id": "1" }, "did you mean id?"],
    reconnectionTime: [{ data: "d", reconnectionTime: 1 }, "did you mean retry?"],
    key: [{ data: "d", key: "k" }, "only what is published to a channel has a key"],
    other: [{ data: "d", other: null }, "the fields are event, data, id, retry, comment"],
    text: [{ data: "d", text: "t" }, "the fields are event, data, id, retry, comment"],
  };
  for (const [field, [event, hint]] of Object.entries(meant)) {
    test(`${field} is refused by encodeEvent, yield and send, with what was meant`, async () => {
      const sent: unknown[] = [];
      const { errors } = await ask(async ({ send }) => {
        await send(event as never).catch((error: unknown) => sent.push(error));
        return [event];
      });
      for (const error of [caught(() => encodeEvent(event)), sent[0] as SluiceError, errors[0]]) {
        expect(error).toMatchObject({ code: "invalid-field", field });
        expect(error?.message).toContain(`there is no field "${field}"; ${hint}`);
      }
    });
  }

  const published: Record<string, [object, string]> = {
    id: [{ data: "d", id: "1" }, "the store makes the ids"],
    eventId: [{ data: "d", eventId: "1" }, "the store makes the ids"],
    retry: [{ data: "d", retry: 1 }, "the option retry of eventStream"],
    comment: [{ data: "d", comment: "c" }, "a comment is not part of one"],
    type: [{ data: "d", type: "x" }, "did you mean event?"],
    other: [{ data: "d", other: 1 }, "the fields are event, data, key"],
  };
  for (const [field, [event, hint]] of Object.entries(published)) {
    test(`${field} is refused by publish, with the reason`, async () => {
      const hub = quietHub();
      await expect(hub.channel("c").publish(event as never)).rejects.toMatchObject({
        code: "invalid-field",
        field,
        message: expect.stringContaining(hint) as string,
      });
      expect(await hub.channel("c").position()).toBe("origin");
    });
  }

  test("a decoded event is passed on as it is; an item of a channel and a MessageEvent are told how", async () => {
    expect(encodeEvent({ id: "1", data: "d", event: "e" })).toBe("event: e\nid: 1\ndata: d\n\n");
    const hub = quietHub();
    const channel = hub.channel("c");
    await channel.publish({ data: "d" });
    const { errors } = await ask(() => channel.read("start"));
    expect(errors[0]?.message).toContain(
      'return the channel, or take { event, data, id } of each item whose type is "event"',
    );
    const [live] = (await ask(() => channel.read())).errors;
    expect(live?.message).toContain("return the channel, or take");
    const message = new MessageEvent("x", { data: "d", lastEventId: "7" });
    expect(caught(() => encodeEvent(message)).message).toContain("take { event: type, data, id: lastEventId }");
    await hub.close();
  });

  test("has no guess where it is called as something that every object has", () => {
    const event = Object.assign({ data: "d" }, { ["constructor"]: 1 });
    expect(caught(() => encodeEvent(event)).message).toContain("the fields are event, data, id, retry, comment");
  });

  test("inherited fields, and methods of a class, are nobody's mistake", () => {
    class Mine {
      readonly data = "d";
      get extra(): string {
        return "x";
      }
      toString(): string {
        return this.data;
      }
    }
    expect(encodeEvent(new Mine())).toBe("data: d\n\n");
  });

  test("of what map returns is refused, but for the fields of the event itself", async () => {
    const hub = quietHub();
    const channel = hub.channel("c");
    await channel.publish({ data: "d", key: "k" });
    await channel.close();
    const mapped = async (map: (event: object) => unknown): Promise<[string, string | undefined]> => {
      const errors: Error[] = [];
      const handler = eventStream(channel, {
        start: "start",
        map: map as never,
        onError: (error) => errors.push(error as Error),
      });
      return [await (await handler(new Request("http://localhost/"))).text(), errors[0]?.message];
    };
    const [text, error] = await mapped((event) => ({ ...event, data: "mapped" }));
    expect([text.includes("data: mapped\n"), error]).toEqual([true, undefined]);
    expect((await mapped(() => ({ name: "x", data: "y" })))[1]).toContain(
      'there is no field "name"; did you mean event?',
    );
    expect((await mapped((event) => ({ ...event, id: "7" })))[1]).toContain("id of an event cannot be changed");
    await hub.close();
  });
});

describe("what is not an event", () => {
  const wrong: Record<string, [() => unknown, string]> = {
    "a promise": [() => Promise.reject(new Error("mine")), "got a promise; await it"],
    "a function": [() => () => ({ data: "d" }), "got a function; call it"],
    "an Error": [() => new Error("x"), "got an Error; throw it"],
    "a Response": [() => new Response("x"), "got a Response; send each event that decodeEventStream makes of it"],
    "a generator": [() => (function* () {})(), "got a Generator; send its events one by one"],
    "a Map": [() => new Map(), "got a Map; did you mean { data: … }?"],
  };
  for (const [kind, [make, hint]] of Object.entries(wrong)) {
    test(`${kind} is refused by send, publish and encodeEvent, with what to do`, async () => {
      const hub = quietHub();
      const value = make();
      const errors: unknown[] = [caught(() => encodeEvent(value as never))];
      await ask(async ({ send }) => {
        await send(value as never).catch((error: unknown) => errors.push(error));
      });
      await hub
        .channel("c")
        .publish(value as never)
        .catch((error: unknown) => errors.push(error));
      await hub
        .channel("c")
        .publish([{ data: "d" }, value] as never)
        .catch((error: unknown) => errors.push(error));
      expect(errors).toHaveLength(4);
      for (const error of errors as SluiceError[]) {
        expect(error.code).toBe("invalid-field");
        expect(error.message).toContain(hint);
      }
    });
  }
});

describe("a wrong source", () => {
  const hub = quietHub();
  const given: Record<string, [unknown, string]> = {
    undefined: [undefined, "source is undefined; pass a channel, or a function"],
    "a promise of a channel": [Promise.resolve(hub.channel("c")), "source is a promise; await it"],
    "a hub": [hub, "source is a hub; pass one of its channels, such as hub.channel(name)"],
    "a store": [memoryStore(), "createHub({ store }).channel(name)"],
    "an array": [[{ data: "d" }], "pass a function that returns it"],
    "a class": [Secret, "source is a class; pass a channel, or a function"],
    "an iterator": [(function* () {})(), "an iterator could serve one client only"],
  };
  for (const [kind, [source, hint]] of Object.entries(given)) {
    test(`${kind} is refused at once, with what to pass`, () => {
      const error = caught(() => eventStream(source as never));
      expect(error.code).toBe("invalid-source");
      expect(error.message).toContain(hint);
    });
  }

  const returned: Record<string, [() => unknown, string]> = {
    "a handler": [() => eventStream(() => []), "the source returned a function; call it"],
    "a promise of a string": [async () => "x", 'the source returned "x"; return events, such as [{ data: text }]'],
    "an event": [() => ({ data: "x" }), "return an array of events"],
    bytes: [() => new Uint8Array(1), "decodeEventStream"],
    "a hub": [() => hub, "such as hub.channel(name)"],
  };
  for (const [kind, [source, hint]] of Object.entries(returned)) {
    test(`${kind} as what a source returns ends the connection, and onError is told what to return`, async () => {
      const { errors } = await ask(source);
      expect(errors).toMatchObject([{ code: "invalid-source" }]);
      expect(errors[0]?.message).toContain(hint);
    });
  }

  test("promises in an array are refused, and those that reject end nothing", async () => {
    const { errors } = await ask(() => [Promise.reject(new Error("1")), Promise.reject(new Error("2"))]);
    expect(errors.map(({ message }) => message)).toEqual([
      "Cannot encode event: expected an object, got a promise; await it",
    ]);
  });

  test("an iterator or a stream that is returned to a second client is refused, and not an empty success", async () => {
    const iterator = (function* () {
      yield { data: "d" };
    })();
    const stream = new ReadableStream({
      start(controller): void {
        controller.enqueue({ data: "d" });
        controller.close();
      },
    });
    for (const used of [iterator, stream]) {
      expect((await ask(() => used)).text).toContain("data: d\n\n");
      const { errors } = await ask(() => used);
      expect(errors[0]?.message).toMatch(/is in use or used up; return a new one for each connection$/);
    }
    const again = [{ data: "d" }];
    for (let i = 0; i < 2; i++) expect((await ask(() => again)).text).toContain("data: d\n\n");
  });
});

describe("wrong options", () => {
  const wrong: Record<string, [() => unknown, string | undefined, string]> = {
    "a store that was not made": [
      () => createHub({ store: memoryStore as never }),
      "store",
      "store is a function; call it",
    ],
    "a store in the place of options": [() => createHub(memoryStore() as never), "options", "such as { store: … }"],
    "a promise in the place of options": [() => createHub(Promise.resolve({}) as never), "options", "await it"],
    "a Map in the place of options": [() => createHub(new Map() as never), "options", "options is a Map"],
    "a hub that was not made": [
      () => eventStream(() => [], { hub: createHub as never }),
      "hub",
      "hub is a function; call it",
    ],
    "a promise of a hub": [
      () => eventStream(() => [], { hub: Promise.resolve() as never }),
      "hub",
      "hub is a promise; await it",
    ],
    "a hub in the place of options": [() => eventStream(() => [], quietHub() as never), "options", "options is a hub"],
    "no name of a channel": [
      () => quietHub().channel(undefined as never),
      "name",
      "name is undefined; make it a string",
    ],
    "one name of several channels": [() => quietHub().channels("a" as never), "names", "make it an array of names"],
  };
  for (const [kind, [run, option, hint]] of Object.entries(wrong)) {
    test(`${kind} is refused, with what to do`, () => {
      const error = caught(run);
      expect(error).toMatchObject({ code: "invalid-option", option });
      expect(error.message).toContain(hint);
    });
  }
});

describe("a SluiceError", () => {
  test("has the details that it has, and no others", () => {
    expect(Object.keys(new SluiceError("closed", "Cannot x"))).toEqual(["code"]);
    expect(Object.keys(caught(() => encodeEvent({ id: "\n" })))).toEqual(["code", "field"]);
    const error = new SluiceError("rate-limited", "Cannot x", { option: "o", retryAfter: 1, cause: 5 });
    expect(Object.keys(error).toSorted()).toEqual(["code", "option", "retryAfter"]);
    expect([error.field, error.reason, error.name, error.cause]).toEqual([undefined, undefined, "SluiceError", 5]);
    expect(String(error)).toBe("SluiceError: Cannot x");
    expect(error.stack).toMatch(/^SluiceError: Cannot x/);
  });
});

describe("the size of an event", () => {
  const lines = (count: number): string => "\n".repeat(count);

  test("is counted before it is encoded: millions of line ends are refused on every way", async () => {
    for (const [way, run] of Object.entries(ways)) {
      const error = await run(() => lines(8_000_000));
      expect(error, way).toMatchObject({ code: "too-large", option: "maxEventBytes" });
      expect(error?.message, way).toContain("over maxEventBytes (1048576 bytes)");
      // A text that is under the limit, and an event that is not.
      expect(await run(() => lines(200_000)), way).toMatchObject({ code: "too-large", option: "maxEventBytes" });
      expect(await run(() => lines(100_000)), way).toBe(undefined);
    }
  });

  test("has a limit in encodeEvent and EventEncoderStream, too", async () => {
    const event = { data: lines(100_000_000) };
    expect(caught(() => encodeEvent(event))).toMatchObject({ code: "too-large", option: "MAX_ENCODED_BYTES" });
    const reader = new ReadableStream({
      start: (controller) => controller.enqueue(event),
    })
      .pipeThrough(new EventEncoderStream())
      .getReader();
    await expect(reader.read()).rejects.toMatchObject({ code: "too-large" });
    expect(MAX_ENCODED_BYTES).toBe(128 * 1024 * 1024);
  });

  const units = ["a", "é", "€", "😀", "\ud800", "\udc00", "\n", "\r", "\r\n", "\u2028"];
  test("is exactly what is encoded, whatever the text, and all fields count", async () => {
    for (let seed = 1; seed <= 60; seed++) {
      let state = seed * 2_654_435_761;
      const next = (below: number): number => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        return Math.floor((state / 2 ** 32) * below);
      };
      const text = (length: number): string => Array.from({ length }, () => units[next(units.length)]).join("");
      const field = (length: number): string => text(length).replaceAll(/[\r\n]/g, "x") + "x";
      const event = {
        data: text(4090 + next(20)),
        ...(next(2) === 0 && { event: field(next(20)) }),
        ...(next(2) === 0 && { id: field(next(20)).replaceAll(/[^aé€]/gu, "x") }),
        ...(next(2) === 0 && { comment: text(next(5000)) }),
        ...(next(2) === 0 && { retry: next(100_000) }),
      };
      const bytes = new TextEncoder().encode(encodeEvent(event)).length;
      for (const [limit, fits] of [
        [bytes, true],
        [bytes - 1, false],
      ] as const) {
        const { errors } = await ask(() => [event], { maxEventBytes: limit });
        expect(
          errors.map(({ code }) => code),
          `${seed}`,
        ).toEqual(fits ? [] : ["too-large"]);
      }
    }
  });

  test("of what is published counts its key and its name", async () => {
    const hub = createHub({ maxEventBytes: 100, onError: () => {} });
    const channel = hub.channel("c");
    await channel.publish({ data: "x".repeat(80) });
    for (const event of [
      { data: "x".repeat(80), key: "k".repeat(20) },
      { data: "x", key: "€".repeat(40) },
      { data: "x", event: "e".repeat(100) },
    ]) {
      await expect(channel.publish(event)).rejects.toMatchObject({ code: "too-large", option: "maxEventBytes" });
    }
    await hub.close();
  });
});

describe("what the signal of a connection says", () => {
  test("is that it is over, and why; a send on it says that it cannot be sent", async () => {
    let signal: AbortSignal | undefined;
    let send: ((event: { data: string }) => Promise<void>) | undefined;
    const handler = eventStream(
      async (connection) => {
        ({ signal, send } = connection);
        await connection.closed;
      },
      { onError: () => {} },
    );
    const response = await handler(new Request("http://localhost/"));
    await response.body?.cancel();
    expect(signal?.reason).toMatchObject({
      code: "connection-closed",
      reason: "disconnected",
      message: "The connection is over: disconnected",
    });
    await expect(send?.({ data: "x" })).rejects.toThrow("Cannot send event: the connection is over: disconnected");
  });
});

function fail(): never {
  throw new Error("mine");
}

function hostile(): object {
  return new Proxy({}, { get: fail, has: fail, ownKeys: fail, getPrototypeOf: fail, getOwnPropertyDescriptor: fail });
}
