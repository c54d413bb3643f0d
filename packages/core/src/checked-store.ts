import { isEventId, isPosition } from "./cursor.ts";
import { refuseLarge } from "./encoded-size.ts";
import { SluiceError, show } from "./errors.ts";
import type {
  Appended,
  AppendOptions,
  Cursor,
  EventStore,
  GapReason,
  NewEvent,
  Position,
  ReadOptions,
  Slice,
  StoredEvent,
} from "./event-store.ts";
import { nextTurn, startTimer } from "./timer.ts";

/**
 * Wraps a store that somebody else has written, so that core can rely on its answers: each is read once, checked, and
 * copied; each call is limited in time, and over at once when its signal aborts. A store that breaks its contract, throws
 * something other than a `SluiceError`, or does not answer has failed with `unavailable`, and whoever called tries again.
 *
 * A single event that cannot be sent is not the business of this class: see {@link checkStoredEvent}.
 *
 * @param onError called with what is wrong with the hint of a doorbell, which nobody waits for; must not throw
 */
export function checkedStore(store: EventStore, onError: (error: unknown) => void): EventStore {
  return new CheckedStore(store, onError);
}

/** In ms. A read that is late is made again, and a doorbell is put up again. */
const READ_TIMEOUT = 10_000;
const TAILS_TIMEOUT = 30_000;
const WATCH_TIMEOUT = 30_000;
/**
 * In ms. Long, because a writer that gives up does not know what became of its append; not for ever, because those who write
 * to a store that hangs would wait in memory without limit.
 */
const APPEND_TIMEOUT = 60_000;

/** What a store returns where it is asked for no number. */
const DEFAULT_LIMIT = 256;
const DEFAULT_BYTES = 1024 * 1024;

/** The most events in a hint. A longer one is a bell without a hint: what it says is read, slice by slice. */
const MOST_HINTED = 10_000;

class CheckedStore implements EventStore {
  readonly #store: EventStore;
  readonly #onError: (error: unknown) => void;
  readonly #calls = new Calls();

  constructor(store: EventStore, onError: (error: unknown) => void) {
    this.#store = store;
    this.#onError = onError;
  }

  get durability(): EventStore["durability"] {
    return this.#store.durability;
  }

  append(channel: string, events: readonly NewEvent[], options?: AppendOptions): Promise<Appended> {
    return this.#calls.within(
      APPEND_TIMEOUT,
      async () => appendedOf(await this.#store.append(channel, events, options), events.length),
      (problem) =>
        `Cannot append to ${show(channel)}: append of the store ${problem}, so its outcome is unknown; ${RETRY}`,
    );
  }

  read(channel: string, after: Cursor, options: ReadOptions = {}): Promise<Slice> {
    const { signal, limit = DEFAULT_LIMIT, maxBytes = DEFAULT_BYTES } = options;
    const leaving = new AbortController();
    return this.#calls.within(
      READ_TIMEOUT,
      async () => {
        const answer: unknown = await this.#store.read(channel, after, { ...options, signal: leaving.signal });
        return sliceOf(answer, { after, limit, maxBytes: maxBytes * 2 });
      },
      (problem) => `Cannot read ${show(channel)}: read of the store ${problem}; ${MEND}`,
      { signal, leaving },
    );
  }

  tails(channels: readonly string[]): Promise<readonly Position[]> {
    return this.#calls.within(
      TAILS_TIMEOUT,
      async () => tailsOf(await this.#store.tails(channels), channels.length),
      (problem) => `Cannot poll store: tails of the store ${problem}; ${MEND}`,
    );
  }

  async watch(channel: string, ring: (hint?: Slice) => void, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    // Of its own: when this try fails, the store is to take its bell away before the next.
    const leaving = new AbortController();
    const leave = (): void => leaving.abort(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    const describe = (problem: string): string =>
      `Cannot watch ${show(channel)}: watch of the store ${problem}; ${MEND}`;
    // Called by the store's own code, which nothing may be thrown into.
    const bell = (hint?: unknown): void => {
      if (!leaving.signal.aborted) ring(this.#hintOf(hint, describe));
    };
    try {
      const watch = async (): Promise<void> => void (await this.#store.watch(channel, bell, leaving.signal));
      await this.#calls.within(WATCH_TIMEOUT, watch, describe, { signal, leaving });
    } catch (error) {
      signal.removeEventListener("abort", leave);
      leaving.abort(error);
      throw error;
    }
  }

  /** A bad hint is a bell without a hint. */
  #hintOf(hint: unknown, describe: (problem: string) => string): Slice | undefined {
    if (hint === undefined) return undefined;
    try {
      return sliceOf(hint, { after: undefined, limit: MOST_HINTED, maxBytes: Infinity });
    } catch (error) {
      this.#onError(failureOf(error, describe));
      return undefined;
    }
  }

  drop(channel: string): Promise<void> {
    return this.#store.drop(channel);
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

const RETRY = "retry with a producer, and check the store with storeSuite";
const MEND = "check the store with storeSuite";

/** What a store did against its contract: completes a sentence that begins with the name of a method. */
class BrokenContract extends Error {}

/** The calls of a store that are limited in time. */
class Calls {
  /** Those of this turn, as what starts their timers. Most have been answered when it ends, and need none. */
  #young: (() => void)[] = [];

  /**
   * Makes a call of the store that takes no longer than `ms`, and ends when the signal aborts.
   *
   * @param call reads the store's answer once, checks it, and returns a plain copy
   * @param describe makes the message of an error
   * @param leaving is told when nobody waits for the answer any more
   */
  within<Result>(
    ms: number,
    call: () => Promise<Result>,
    describe: (problem: string) => string,
    { signal, leaving }: { readonly signal?: AbortSignal | undefined; readonly leaving?: AbortController } = {},
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      let isSettled = false;
      let stopTimer: (() => void) | undefined;
      const settle = (): void => {
        isSettled = true;
        stopTimer?.();
        signal?.removeEventListener("abort", leave);
      };
      const fail = (error: unknown): void => {
        settle();
        reject(error);
        leaving?.abort(error);
      };
      const leave = (): void => fail(signal?.reason);
      const late = (): void => fail(new SluiceError("unavailable", describe(`has not answered for ${ms} ms`)));
      this.#atEndOfTurn(() => {
        if (!isSettled) stopTimer = startTimer(ms, late);
      });
      signal?.addEventListener("abort", leave);
      call().then(
        (result) => {
          settle();
          resolve(result);
        },
        (thrown: unknown) => {
          settle();
          reject(failureOf(thrown, describe));
        },
      );
    });
  }

  #atEndOfTurn(startTimerOf: () => void): void {
    if (this.#young.push(startTimerOf) > 1) return;
    nextTurn(() => {
      const young = this.#young;
      this.#young = [];
      for (const start of young) start();
    });
  }
}

/** What a store throws may be anything: looking at it may throw as well. */
function failureOf(thrown: unknown, describe: (problem: string) => string): unknown {
  try {
    if (thrown instanceof SluiceError) return thrown;
    if (thrown instanceof BrokenContract) return new SluiceError("unavailable", describe(thrown.message));
    if (thrown instanceof Error) {
      return new SluiceError("unavailable", describe(`threw ${show(thrown.message)}`), { cause: thrown });
    }
  } catch {}
  return new SluiceError("unavailable", describe(`threw ${shown(thrown)}`));
}

/** A value as a message shows it, though it may be a proxy whose traps throw. */
function shown(value: unknown): string {
  try {
    return show(value);
  } catch {
    return "something that cannot be looked at";
  }
}

function appendedOf(answer: unknown, events: number): Appended {
  const { tail, duplicate } = fieldsOf(answer);
  if (!isPositionOf(tail)) throw wrong("tail", tail, "a position");
  if (typeof duplicate !== "boolean") throw wrong("duplicate", duplicate, "true or false");
  if (events > 0 && !duplicate && tail === "origin") throw wrong("tail", tail, "the id of the last event");
  return { tail, duplicate };
}

function tailsOf(answer: unknown, count: number): readonly Position[] {
  if (!Array.isArray(answer)) throw new BrokenContract(`returned ${shown(answer)}, which is not an array`);
  const { length } = answer as readonly unknown[];
  if (length !== count) throw new BrokenContract(`returned ${shown(length)} positions for ${count} channels`);
  const tails: Position[] = [];
  for (let i = 0; i < count; i++) {
    const tail: unknown = answer[i];
    if (!isPositionOf(tail)) throw wrong(`[${i}]`, tail, "a position");
    tails.push(tail);
  }
  return tails;
}

interface Asked {
  /** Undefined where nothing was asked: whoever gets the slice looks whether it continues where they are. */
  readonly after: Cursor | undefined;
  /** A slice that is longer is cut, and the rest read again. */
  readonly limit: number;
  readonly maxBytes: number;
}

function sliceOf(answer: unknown, { after, limit, maxBytes }: Asked): Slice {
  const { from, events, next, gap, upToDate, closed } = fieldsOf(answer);
  if (!isPositionOf(from)) throw wrong("from", from, "a position");
  if (!isPositionOf(next)) throw wrong("next", next, "a position");
  if (gap !== undefined && !isGap(gap)) throw wrong("gap", gap, '"truncated", "reset", "unknown" or undefined');
  if (typeof upToDate !== "boolean") throw wrong("upToDate", upToDate, "true or false");
  if (typeof closed !== "boolean") throw wrong("closed", closed, "true or false");
  if (!Array.isArray(events)) throw wrong("events", events, "an array");
  if (gap === undefined && after !== undefined && after !== "start" && after !== "tail" && from !== after) {
    throw new BrokenContract(`returned no gap, though from is ${show(from)} and not the cursor, ${show(after)}`);
  }
  if (closed && !upToDate) throw new BrokenContract("returned a slice that is closed and not up to date");
  const { copies, isCut } = eventsOf(events, from, { limit, maxBytes });
  if (!upToDate && copies.length === 0) {
    throw new BrokenContract("returned a slice that is not up to date and has no events");
  }
  const last = copies.at(-1)?.id ?? from;
  if (!isCut && next !== last) throw new BrokenContract(`returned next ${show(next)} behind ${show(last)}`);
  const rest = { upToDate: upToDate && !isCut, closed: closed && !isCut };
  return gap === undefined
    ? { from, events: copies, next: last, ...rest }
    : { from, events: copies, next: last, gap, ...rest };
}

function eventsOf(
  events: readonly unknown[],
  from: Position,
  { limit, maxBytes }: Pick<Asked, "limit" | "maxBytes">,
): { readonly copies: readonly StoredEvent[]; readonly isCut: boolean } {
  const copies: StoredEvent[] = [];
  const count = events.length;
  let last = from;
  let epoch = epochOf(from);
  let bytes = 0;
  for (let i = 0; i < count; i++) {
    const { id, event, data, key, at } = fieldsOf(events[i]);
    if (typeof id !== "string" || !isEventId(id)) throw wrong(`events[${i}].id`, id, "an event id");
    epoch ??= epochOf(id) as string;
    if (!id.startsWith(epoch) || (last !== "origin" && id <= last)) {
      throw new BrokenContract(`returned event ${show(id)} behind ${show(last)}`);
    }
    if (typeof data === "string") bytes += data.length;
    if (i > 0 && (i >= limit || bytes > maxBytes)) return { copies, isCut: true };
    copies.push({ id, event, data, key, at } as StoredEvent);
    last = id;
  }
  return { copies, isCut: false };
}

/** With its dot; undefined for `"origin"`, where every epoch begins. */
function epochOf(position: Position): string | undefined {
  return position === "origin" ? undefined : position.slice(0, position.indexOf(".") + 1);
}

function isPositionOf(value: unknown): value is Position {
  return typeof value === "string" && isPosition(value);
}

function isGap(value: unknown): value is GapReason {
  return value === "truncated" || value === "reset" || value === "unknown";
}

/** For destructuring, which reads each field once: a getter cannot answer differently the second time. */
function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null) return value as Readonly<Record<string, unknown>>;
  throw new BrokenContract(`returned ${shown(value)}, which is not an object`);
}

function wrong(field: string, value: unknown, wanted: string): BrokenContract {
  return new BrokenContract(`returned ${field} ${shown(value)}, which is not ${wanted}`);
}

/** In bytes on the wire: what no publisher sends, and a store that has gone wrong may. */
const LARGEST_EVENT = 64 * 1024 * 1024;

/**
 * Refuses an event that cannot be sent, though it is in the log: readers are told a gap in its place.
 *
 * @throws {SluiceError} `invalid-field` or `too-large`
 */
export function checkStoredEvent({ id, data, event, key, at }: StoredEvent): void {
  const given: { readonly [Field in "data" | "event" | "key" | "at"]: unknown } = { data, event, key, at };
  const refuse = (field: keyof typeof given, wanted: string): SluiceError =>
    new SluiceError(
      "invalid-field",
      `Cannot send event ${id}: ${field} is ${shown(given[field])}, as the store returned it; make it ${wanted}`,
      { field },
    );
  if (typeof given.data !== "string") throw refuse("data", "a string");
  if (given.event !== undefined && typeof given.event !== "string") throw refuse("event", "a string");
  if (given.key !== undefined && typeof given.key !== "string") throw refuse("key", "a string");
  if (!Number.isFinite(given.at)) throw refuse("at", "a number of ms");
  refuseLarge(
    { id, event: given.event, data: given.data, retry: undefined, comment: undefined },
    { action: `Cannot send event ${id}`, option: "LARGEST_EVENT", bytes: LARGEST_EVENT },
  );
}
