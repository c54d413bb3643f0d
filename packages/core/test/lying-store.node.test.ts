import { afterEach, expect, test } from "vitest";
import { createDecoder, createHub, eventStream, memoryStore, parseEventId } from "../src/index.ts";
import type { DecodedEvent, EventStore, Slice, SluiceError } from "../src/index.ts";

// One seed is one sequence of lies: `SLUICE_SEED=… vitest run lying-store` tells it again.
const seeds = process.env["SLUICE_SEED"]
  ? [Number(process.env["SLUICE_SEED"])]
  : Array.from({ length: 4 }, () => Math.floor(Math.random() * 2 ** 31));

const unhandled: unknown[] = [];
const note = (error: unknown): void => void unhandled.push(error);
process.on("unhandledRejection", note);
afterEach(() => {
  expect(unhandled.splice(0)).toEqual([]);
});

/** Mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Liar {
  readonly store: EventStore;
  /** How often it lies, from 0 to 1; about channels whose name begins with "lied". */
  rate: number;
  told: number;
}

function liar(seed: number): Liar {
  const random = randomFrom(seed);
  const store = memoryStore();
  const self: Liar = { store: {} as EventStore, rate: 0, told: 0 };
  const pick = <Value>(values: readonly Value[]): Value => values[Math.floor(random() * values.length)] as Value;
  const revoked = Proxy.revocable([], {});
  revoked.revoke();
  const trap = (): never => {
    throw new RangeError("do not look");
  };
  const untouchable: unknown = new Proxy({}, { get: trap, has: trap, getPrototypeOf: trap, ownKeys: trap });

  /** Whatever a field may be that is not what it should be. */
  const anything = (): unknown =>
    pick<() => unknown>([
      () => undefined,
      () => null,
      () => true,
      () => NaN,
      () => 2 ** 53,
      () => 10n,
      () => Symbol("lie"),
      () => "",
      () => "origin",
      () => "start",
      () => "x\ndata: forged\n\n",
      () => "e1.a1aaaa\r\nid: forged",
      () => "\0",
      () => "\ud800",
      () => "9".repeat(100_000),
      () => "e1.a5aaaa",
      () => [],
      () => ({}),
      () => Object.assign([], { length: 2 ** 32 - 1 }),
      () => new Date(NaN),
      () => trap,
      () => Promise.reject(new Error("a promise in a field")).catch(() => {}),
      () => Object.freeze({}),
      () => revoked.proxy,
      () => untouchable,
      () => new Proxy([], { get: (_, name) => (name === "length" ? Infinity : undefined) }),
    ])();

  /** The object with some of its fields changed, or answering anew each time, or throwing. */
  const twisted = (value: object): unknown => {
    const copy: Record<string, unknown> = { ...value };
    for (const field of Object.keys(copy)) {
      if (random() < 0.7) continue;
      const lie = anything();
      const honest = copy[field];
      let looks = 0;
      pick([
        () => (copy[field] = lie),
        () => Object.defineProperty(copy, field, { get: () => (looks++ === 0 ? honest : lie) }),
        () => Object.defineProperty(copy, field, { get: trap }),
        () => delete copy[field],
      ])();
    }
    return copy;
  };

  const twistedSlice = (slice: Slice): unknown => {
    const { events } = slice;
    return pick<() => unknown>([
      anything,
      () => twisted(slice),
      () => twisted({ ...slice, gap: pick(["reset", "truncated", "unknown", "x\ny", 5]) }),
      () => ({ ...slice, events: events.map((event) => (random() < 0.3 ? twisted(event) : event)) }),
      () => ({ ...slice, events: events.toReversed() }),
      () => ({ ...slice, events: [...events, ...events] }),
      () => ({ ...slice, events: [...events, anything()] }),
      () => ({ ...slice, upToDate: false }),
      () => ({ ...slice, upToDate: false, events: [], next: slice.from }),
      () => ({ ...slice, gap: "reset" }),
      () => ({ ...slice, next: "origin" }),
    ])();
  };

  /** Lies now and then: in what it answers, in how it answers, or by not answering until its caller leaves. */
  const answer = (channel: string, honest: () => Promise<unknown>, twist: (value: never) => unknown): unknown => {
    if (!channel.startsWith("lied") || random() >= self.rate) return honest();
    self.told++;
    return pick<() => unknown>([
      () => honest().then((value) => twist(value as never)),
      () => honest().then((value) => twist(value as never)),
      () => honest().then((value) => twist(value as never)),
      () => {
        throw anything();
      },
      () => Promise.reject(anything()),
      // oxlint-disable-next-line unicorn/no-thenable -- it is a lie
      () => ({ then: trap }),
      // oxlint-disable-next-line unicorn/no-thenable -- it is a lie
      () => ({ then: (resolve: (value: unknown) => void) => resolve(anything()) }),
      () => anything(),
    ])();
  };

  const methods = {
    durability: "process",
    append: (...args: Parameters<EventStore["append"]>) =>
      answer(
        args[0],
        () => store.append(...args),
        (value: object) => pick([anything, () => twisted(value)])(),
      ),
    read: (...args: Parameters<EventStore["read"]>) => answer(args[0], () => store.read(...args), twistedSlice),
    tails: (...args: Parameters<EventStore["tails"]>) =>
      answer(
        args[0].find((channel) => channel.startsWith("lied")) ?? "",
        () => store.tails(...args),
        (tails: readonly string[]) => pick([anything, () => tails.slice(1), () => tails.map(anything)])(),
      ),
    watch: (...[channel, ring, signal]: Parameters<EventStore["watch"]>) => {
      const bell = (hint?: Slice): void => {
        if (!channel.startsWith("lied") || random() >= self.rate) return ring(hint);
        self.told++;
        for (let rings = Math.floor(random() * 4); rings > 0; rings--) {
          ring((hint === undefined ? anything() : twistedSlice(hint)) as Slice);
        }
      };
      return answer(channel, () => store.watch(channel, bell, signal), anything);
    },
    drop: (channel: string) => store.drop(channel),
    close: () => store.close(),
  };
  return Object.assign(self, { store: methods as unknown as EventStore });
}

interface Client {
  readonly events: DecodedEvent[];
  readonly datas: string[];
  leave(): Promise<void>;
}

async function connect(hub: ReturnType<typeof createHub>, channel: string, lastEventId?: string): Promise<Client> {
  const headers = new Headers(lastEventId === undefined ? {} : { "Last-Event-ID": lastEventId });
  const source = hub.channel(channel);
  const options = { start: "start", keepAlive: false, openTimeout: 100, onError: () => {} } as const;
  const response = await eventStream(source, options)(new Request("http://localhost/", { headers }));
  const reader = response.body!.getReader();
  const client: Client = { events: [], datas: [], leave: () => reader.cancel() };
  const decoder = createDecoder({
    onEvent: (event) => {
      client.events.push(event);
      if (event.event === undefined) client.datas.push(event.data);
    },
  });
  void (async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      decoder.push(value);
    }
  })();
  return client;
}

test.each(seeds)(
  "a store that lies about one channel harms no other, and is caught up with (seed %i)",
  async (seed) => {
    const random = randomFrom(seed);
    const lying = liar(seed);
    const failures: unknown[] = [];
    const hub = createHub({ store: lying.store, pollInterval: 20, onError: (error) => failures.push(error) });
    const honest = await connect(hub, "honest");
    const readers = [await connect(hub, "lied")];
    let longest = 0;
    let lastTurn = performance.now();
    const turns = setInterval(() => {
      longest = Math.max(longest, performance.now() - lastTurn);
      lastTurn = performance.now();
    }, 1);

    lying.rate = 0.4;
    for (let i = 0; i < 150; i++) {
      await hub.channel("honest").publish({ data: `h${i}` });
      const outcome = await hub
        .channel("lied")
        .publish({ data: `d${i}` })
        .catch((error: unknown) => error);
      if (typeof outcome === "string") expect(parseEventId(outcome)).toBeDefined();
      else expect((outcome as SluiceError).code).toBe("unavailable");
      if (i % 10 === 0) readers.push(await connect(hub, "lied", random() < 0.5 ? undefined : "origin"));
      if (i % 4 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    lying.rate = 0;
    await hub.channel("lied").publish({ data: "honest again" });

    await expect.poll(() => honest.datas, { timeout: 5000 }).toEqual(Array.from({ length: 150 }, (_, i) => `h${i}`));
    expect(honest.events.filter(({ event }) => event === "sluice.gap")).toEqual([]);

    // Whoever stayed hears of what comes now, and whoever comes now gets exactly what the log holds.
    const late = await connect(hub, "lied");
    await expect.poll(() => late.datas.at(-1), { timeout: 10_000 }).toBe("honest again");
    expect(late.events.filter(({ event }) => event === "sluice.gap")).toEqual([]);
    const log = await lying.store.read("lied", "origin", { limit: 1000 });
    expect(late.datas).toEqual(log.events.map(({ data }) => data));
    const open = readers.filter(({ events }) => events.some(({ event }) => event === "sluice.live"));
    for (const { datas } of open) await expect.poll(() => datas.at(-1), { timeout: 10_000 }).toBe("honest again");

    // No byte of a lie has become a field.
    const sent = [...readers, late, honest].flatMap(({ events }) => events);
    for (const { event, data, id } of sent) {
      expect([undefined, "sluice.live", "sluice.gap", "sluice.end"]).toContain(event);
      if (event === "sluice.gap")
        expect(["reset", "truncated", "unknown", "skipped"]).toContain(JSON.parse(data).reason);
      expect(
        id === undefined || id === "" || id === "origin" || id === "sluice.end" || parseEventId(id) !== undefined,
      ).toBe(true);
    }
    expect(lying.told).toBeGreaterThan(50);
    for (const failure of failures) expect(failure).toHaveProperty("code");
    clearInterval(turns);
    expect(longest).toBeLessThan(2000);
    for (const client of [...readers, late, honest]) await client.leave();
    await hub.close();
    await lying.store.close();
  },
);
