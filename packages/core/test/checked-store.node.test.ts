import { afterEach, describe, expect, test, vi } from "vitest";
import { checkedStore } from "../src/checked-store.ts";
import { createHub, formatEventId, memoryStore, SluiceError } from "../src/index.ts";
import type { ChannelItem, EventStore, Slice, StoredEvent } from "../src/index.ts";

afterEach(() => void vi.useRealTimers());

const id = (seq: number, epoch = "e1"): string => formatEventId({ epoch, seq, tag: "aaaa" });
const event = (seq: number, more: object = {}): StoredEvent => ({ id: id(seq), data: String(seq), at: 1, ...more });
const slice = (more: object = {}): Slice => ({
  from: "origin",
  events: [event(1), event(2)],
  next: id(2),
  upToDate: true,
  closed: false,
  ...more,
});

/** A store that answers so, whatever the type says. */
function answering(methods: { readonly [Method in keyof EventStore]?: unknown }): EventStore {
  return checkedStore({ ...inner(), ...methods } as EventStore, () => {});
}

function inner(): EventStore {
  const store = memoryStore();
  return {
    durability: store.durability,
    append: (...args) => store.append(...args),
    read: (...args) => store.read(...args),
    tails: (...args) => store.tails(...args),
    watch: (...args) => store.watch(...args),
    drop: (...args) => store.drop(...args),
    close: () => store.close(),
  };
}

function read(answer: unknown, after = "origin"): Promise<Slice> {
  return answering({ read: async () => answer }).read("c", after);
}

const revoked = Proxy.revocable([], {});
revoked.revoke();
/** Whoever looks at it in any way gets an error. */
const untouchable: unknown = new Proxy(
  {},
  {
    get: () => {
      throw new RangeError("do not look");
    },
    getPrototypeOf: () => {
      throw new RangeError("do not look");
    },
    has: () => {
      throw new RangeError("do not look");
    },
  },
);
const throwing = (field: string): object => ({
  get [field]() {
    throw new TypeError("from a getter");
  },
});

describe("what a read answers", () => {
  test("is passed on as it is, where it is right", async () => {
    expect(await read(slice())).toEqual(slice());
    expect(await read(slice({ gap: "reset" }), id(9, "e0"))).toEqual(slice({ gap: "reset" }));
    expect(await read(Object.freeze(slice({ events: Object.freeze([Object.freeze(event(1))]), next: id(1) })))).toEqual(
      slice({ events: [event(1)], next: id(1) }),
    );
    const end = { from: id(2), events: [], next: id(2), upToDate: true, closed: true };
    expect(await read(end, id(2))).toEqual(end);
    expect(await read(slice({ events: [event(1), event(5)], next: id(5) }))).toMatchObject({ next: id(5) });
  });

  const lies: readonly (readonly [problem: string, answer: unknown])[] = [
    ["returned undefined", undefined],
    ["returned null", null],
    ['returned "slice"', "slice"],
    ["returned a function", () => slice()],
    ["returned from undefined", {}],
    ['returned from "x\\ny"', slice({ from: "x\ny" })],
    ["which is not a position", slice({ from: { toString: () => "origin" } })],
    ["which is not a position", slice({ from: "x".repeat(1_000_000) })],
    ["which is not a position", slice({ next: "tail" })],
    ['returned next "', slice({ next: "9".repeat(50) })],
    ['returned gap "reset\\n"', slice({ gap: "reset\n" })],
    ["returned gap null", slice({ gap: null })],
    ["returned upToDate 1", slice({ upToDate: 1 })],
    ["returned closed undefined", slice({ closed: undefined })],
    ["returned a slice that is closed and not up to date", slice({ upToDate: false, closed: true })],
    ["returned events { length: 2 }", slice({ events: { length: 2 } })],
    ["returned undefined, which is not an object", slice({ events: [event(1), undefined] })],
    ["returned undefined, which is not an object", slice({ events: Object.assign([], { length: 2 ** 32 - 1 }) })],
    ["returned events[0].id 1", slice({ events: [event(1, { id: 1 })] })],
    ['returned events[0].id "origin"', slice({ events: [event(1, { id: "origin" })] })],
    ['returned events[1].id "e1.a2aaaa\\n"', slice({ events: [event(1), event(2, { id: `${id(2)}\n` })] })],
    ["behind", slice({ events: [event(2), event(1)], next: id(1) })],
    ["behind", slice({ events: [event(1), event(1)], next: id(1) })],
    ["behind", slice({ events: [event(1), event(2, { id: id(2, "e2") })], next: id(2, "e2") })],
    ["behind", slice({ from: id(3), events: [event(4, { id: id(4, "e2") })], next: id(4, "e2"), gap: "reset" })],
    ["returned next", slice({ next: id(1) })],
    ["returned next", slice({ next: id(3) })],
    ["returned next", slice({ events: [] })],
    ["not up to date and has no events", slice({ events: [], next: "origin", upToDate: false })],
    ["not up to date and has no events", slice({ events: [], next: "origin", upToDate: false, gap: "reset" })],
    ["returned no gap, though from is", slice({ from: id(1), events: [event(2)] })],
    ['threw "from a getter"', throwing("from")],
    ['threw "from a getter"', slice({ events: [throwing("id")] })],
    ['threw "from a getter"', throwing("then")],
    ["threw", slice({ events: revoked.proxy })],
    ["threw", untouchable],
  ];
  test.each(lies)("is a failure: %s", async (problem, answer) => {
    const failure = (await read(answer).catch((error: unknown) => error)) as SluiceError;
    expect(failure).toBeInstanceOf(SluiceError);
    expect(failure.code).toBe("unavailable");
    expect(failure.message).toMatch(/^Cannot read "c": read of the store /);
    expect(failure.message).toContain(problem);
    expect(failure.message).not.toMatch(/[\r\n]/);
    expect(failure.message.length).toBeLessThan(300);
  });

  test("is read once, so that it cannot answer differently the second time", async () => {
    let looks = 0;
    const changing = (first: unknown, then: unknown): (() => unknown) => {
      let isFirst = true;
      return () => {
        looks++;
        if (!isFirst) return then;
        isFirst = false;
        return first;
      };
    };
    const answer = slice();
    const liar = Object.defineProperties(
      {},
      Object.fromEntries(Object.entries(answer).map(([name, value]) => [name, { get: changing(value, "x\ny") }])),
    );
    expect(await read(liar)).toEqual(answer);
    expect(looks).toBe(5);
    const changed = { ...event(1) };
    Object.defineProperty(changed, "id", { get: changing(id(1), "x\ny") });
    expect((await read(slice({ events: [changed], next: id(1) }))).events).toMatchObject([{ id: id(1) }]);
    let thens = 0;
    // oxlint-disable-next-line unicorn/no-thenable -- it is one at the second look
    const thenable = Object.defineProperty(slice(), "then", {
      get: () => (++thens === 1 ? undefined : () => {}),
    });
    expect(await read(thenable)).toEqual(slice());
  });

  test("is cut, where it is longer than what was asked for, and the rest is read again", async () => {
    const endless = new Proxy([], {
      get: (_, name) => (name === "length" ? 2 ** 50 : event(Number(String(name)) + 1)),
    });
    const cut = await read(slice({ events: endless, next: id(4), closed: true }));
    expect([cut.events.length, cut.next, cut.upToDate, cut.closed]).toEqual([256, id(256), false, false]);
    const large = (seq: number): StoredEvent => event(seq, { data: "x".repeat(400_000) });
    const events = Array.from({ length: 20 }, (_, i) => large(i + 1));
    expect((await read(slice({ events, next: id(20) }))).events.length).toBe(5);
    expect((await read(slice({ events: [large(1)], next: id(1) }))).events.length).toBe(1);
  });
});

describe("what an append and tails answer", () => {
  test.each<[problem: string, answer: unknown]>([
    ["returned undefined", undefined],
    ["returned tail undefined", {}],
    ["returned duplicate undefined", { tail: id(1) }],
    ['returned tail "a\\nb"', { tail: "a\nb", duplicate: false }],
    ['returned tail "origin"', { tail: "origin", duplicate: false }],
  ])("an append that %s has an unknown outcome", async (problem, answer) => {
    const store = answering({ append: async () => answer });
    const failure = (await store.append("c", [{ data: "x" }]).catch((error: unknown) => error)) as SluiceError;
    expect(failure.code).toBe("unavailable");
    expect(failure.message).toContain(problem);
    expect(failure.message).toContain("its outcome is unknown; retry with a producer");
  });

  test.each<[problem: string, answer: unknown]>([
    ["returned undefined", undefined],
    ["returned 1 positions for 2 channels", [id(1)]],
    ["returned 3 positions for 2 channels", ["origin", "origin", "origin"]],
    ['returned [1] "tail"', ["origin", "tail"]],
    ["returned [0] undefined", Array.from({ length: 2 })],
    ["returned { length: 2 }", { length: 2 }],
  ])("tails that %s have failed", async (problem, answer) => {
    const failure = (await answering({ tails: async () => answer })
      .tails(["a", "b"])
      .catch((error: unknown) => error)) as SluiceError;
    expect([failure.code, failure.message.includes(problem)]).toEqual(["unavailable", true]);
  });

  test("an answer that is no promise is taken, and what is thrown at once fails as what is thrown later", async () => {
    expect(await answering({ append: () => ({ tail: id(1), duplicate: false }) }).append("c", [])).toEqual({
      tail: id(1),
      duplicate: false,
    });
    for (const thrown of [new TypeError("x is not a function"), undefined, null, "text", untouchable, revoked.proxy]) {
      for (const fails of [
        () => {
          throw thrown;
        },
        () => Promise.reject(thrown),
      ]) {
        const store = answering({ append: fails, read: fails, tails: fails, watch: fails });
        await expect(store.append("c", [{ data: "x" }])).rejects.toMatchObject({ code: "unavailable" });
        await expect(store.read("c", "start")).rejects.toMatchObject({ code: "unavailable" });
        await expect(store.tails(["c"])).rejects.toMatchObject({ code: "unavailable" });
        const watching = new AbortController();
        await expect(store.watch("c", () => {}, watching.signal)).rejects.toMatchObject({ code: "unavailable" });
      }
    }
  });

  test("an error of the contract goes through as it is", async () => {
    const closed = new SluiceError("closed", "Cannot append: closed");
    const store = answering({ append: () => Promise.reject(closed) });
    await expect(store.append("c", [{ data: "x" }])).rejects.toBe(closed);
  });
});

describe("a store that does not answer", () => {
  const never = (): Promise<never> => new Promise(() => {});

  test("fails when its time is up, and is told", async () => {
    vi.useFakeTimers();
    const signals: AbortSignal[] = [];
    const store = answering({
      append: never,
      read: (_: string, __: string, { signal }: { signal: AbortSignal }) => {
        signals.push(signal);
        return never();
      },
      tails: never,
      watch: (_: string, __: unknown, signal: AbortSignal) => {
        signals.push(signal);
        return never();
      },
    });
    const watching = new AbortController();
    const calls: readonly (readonly [ms: number, call: Promise<unknown>])[] = [
      [10_000, store.read("c", "start", { signal: watching.signal })],
      [30_000, store.tails(["c"])],
      [30_000, store.watch("c", () => {}, watching.signal)],
      [60_000, store.append("c", [{ data: "x" }])],
    ];
    const over: number[] = [];
    for (const [ms, call] of calls) call.catch(() => over.push(ms));
    await vi.advanceTimersByTimeAsync(9_999);
    expect(over).toEqual([]);
    await vi.advanceTimersByTimeAsync(50_001);
    expect(over).toEqual([10_000, 30_000, 30_000, 60_000]);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
    for (const [ms, call] of calls) {
      await expect(call).rejects.toMatchObject({ code: "unavailable", message: expect.stringContaining(`${ms} ms`) });
    }
    expect(vi.getTimerCount()).toBe(0);
  });

  test("lets whoever leaves go at once, and leaves no timer", async () => {
    vi.useFakeTimers();
    const store = answering({ read: never, watch: never });
    const leaving = new AbortController();
    const reading = store.read("c", "start", { signal: leaving.signal });
    const watching = store.watch("c", () => {}, leaving.signal);
    leaving.abort("left");
    await expect(reading).rejects.toBe("left");
    await expect(watching).rejects.toBe("left");
    await expect(store.read("c", "start", { signal: leaving.signal })).rejects.toBe("left");
    expect(vi.getTimerCount()).toBe(0);
  });

  test("whose reads hang keeps no turn of those who left: others are read", async () => {
    const store = inner();
    let hangs = true;
    const hub = createHub({
      store: { ...store, read: (...args) => (hangs && args[0] === "hung" ? never() : store.read(...args)) },
      maxReplayReads: 2,
      onError: () => {},
    });
    await hub.channel("c").publish({ data: "here" });
    const readings = Array.from({ length: 6 }, () => hub.channel("hung").read("start"));
    const nexts = readings.map((reading) => reading.next());
    await new Promise((resolve) => setTimeout(resolve, 10));
    for (const reading of readings) await reading.return?.();
    await Promise.all(nexts);
    const items = hub.channel("c").read("origin");
    expect((await items.next()).value).toMatchObject({ data: "here" });
    await items.return?.();
    hangs = false;
    await hub.close();
  });
});

describe("a doorbell", () => {
  async function bell(onError: (error: unknown) => void = () => {}): Promise<{
    ring: (hint?: unknown) => void;
    rung: unknown[];
    leave: () => void;
  }> {
    let ring: (hint?: unknown) => void = () => {};
    const rung: unknown[] = [];
    const watching = new AbortController();
    const store = checkedStore(
      { ...inner(), watch: async (_, given) => void (ring = given as (hint?: unknown) => void) },
      onError,
    );
    await store.watch("c", (hint) => rung.push(hint), watching.signal);
    return { ring: (hint) => ring(hint), rung, leave: () => watching.abort() };
  }

  test("rings with a good hint, without a bad one, and throws nothing into the store", async () => {
    const errors: unknown[] = [];
    const { ring, rung, leave } = await bell((error) => errors.push(error));
    ring();
    ring(slice());
    const bad = [
      null,
      5,
      {},
      slice({ from: "x\ny" }),
      throwing("from"),
      untouchable,
      revoked.proxy,
      slice({ next: id(1) }),
    ];
    for (const hint of bad) ring(hint);
    expect(rung).toEqual([undefined, slice(), ...bad.map(() => undefined)]);
    expect(errors.map((error) => (error as SluiceError).code)).toEqual(bad.map(() => "unavailable"));
    leave();
    ring(slice());
    expect(rung.length).toBe(2 + bad.length);
  });

  test("that could not be put up is taken away before the next try", async () => {
    const signals: AbortSignal[] = [];
    const store = checkedStore(
      {
        ...inner(),
        watch: async (_, __, signal) => {
          signals.push(signal);
          if (signals.length === 1) throw new Error("not now");
        },
      },
      () => {},
    );
    const watching = new AbortController();
    await expect(store.watch("c", () => {}, watching.signal)).rejects.toMatchObject({ code: "unavailable" });
    await store.watch("c", () => {}, watching.signal);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    watching.abort();
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  });
});

test("an event that cannot be sent is a gap, and those around it arrive", async () => {
  const bad: readonly object[] = [
    { data: undefined },
    { data: 5 },
    { data: { toString: () => "x" } },
    { event: 5 },
    { key: 5 },
    { at: 5n },
    { at: "yesterday" },
    { data: "\n".repeat(10_000_000) },
    { data: "\r".repeat(10_000_000) },
  ];
  const events = bad.flatMap((more, i) => [event(2 * i + 1), event(2 * i + 2, more)]);
  const store = inner();
  const errors: unknown[] = [];
  const hub = createHub({
    store: {
      ...store,
      read: async (_, after) => {
        const from = after === "start" ? "origin" : after === "tail" ? id(events.length) : after;
        const rest = events.filter((each) => from === "origin" || each.id > from).slice(0, 256);
        return { from, events: rest, next: rest.at(-1)?.id ?? from, upToDate: true, closed: false };
      },
    },
    onError: (error) => errors.push(error),
  });
  const shown: string[] = [];
  for await (const item of hub.channel("c").read("start") as AsyncIterable<ChannelItem>) {
    if (item.type === "live") break;
    shown.push(item.type === "event" ? item.data : item.type === "gap" ? item.reason : item.type);
  }
  expect(shown).toEqual(bad.flatMap((_, i) => [String(2 * i + 1), "skipped"]));
  expect(errors.map((error) => (error as SluiceError).code)).toEqual([
    ...Array.from({ length: 7 }, () => "invalid-field"),
    "too-large",
    "too-large",
  ]);
  await hub.close();
});
