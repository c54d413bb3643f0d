import type { Connection } from "./connection.ts";
import { callGuarded } from "./guard.ts";
import type { HubObserver, HubStats, Refusal } from "./observe.ts";
import type { Batch } from "./segment.ts";
import { Tick } from "./tick.ts";
import { sleep } from "./timer.ts";
import { eachInTurn, TaskQueue } from "./turns.ts";
import type { CloseReason } from "./writer.ts";

/** A connection, as the crowd sees it. */
export interface Member {
  readonly connection: Connection;
  /** It takes more; without, it holds all that it can. */
  readonly hasRoom: boolean;
  /** How many events it is behind its channel. */
  readonly lag: number;
  /** Ends it cleanly, and tells the client when to come back. */
  sayGoodbye(reason: "drained"): void;
  abort(reason: CloseReason): void;
}

/** Options of a crowd, from those of its hub. */
export interface CrowdOptions {
  readonly maxConnections: number;
  readonly maxConnectionsPerKey: number;
  /** The most bytes that a connection is sent of what it had missed. */
  readonly maxReplayBytes: number;
  readonly observer: HubObserver;
}

/** The connections of one hub: their limits, their common tick, what is known of them, and their common end. */
export class Crowd {
  readonly tick: Tick = new Tick();
  /** What is to be moved to them. */
  readonly tasks: TaskQueue = new TaskQueue();
  readonly options: CrowdOptions;

  /** Each with its key, where it has one, and when it was opened. */
  readonly #members = new Map<Member, { readonly key: string | undefined; readonly openedAt: number }>();
  readonly #perKey = new Map<string, number>();
  /** From the first drain on; aborts once all have left. */
  #draining: AbortController | undefined = undefined;

  #opened = 0;
  readonly #closed: Partial<Record<CloseReason, number>> = {};
  readonly #refused: Partial<Record<Refusal, number>> = {};
  #published = 0;
  #deliveredEvents = 0;
  #deliveredBytes = 0;
  #replayedEvents = 0;
  #gaps = 0;

  constructor(options: CrowdOptions) {
    this.options = options;
  }

  get isDraining(): boolean {
    return this.#draining !== undefined;
  }

  /** @returns why it must not enter */
  enter(member: Member, key: string | undefined): Refusal | undefined {
    const { maxConnections, maxConnectionsPerKey, observer } = this.options;
    const ofKey = key === undefined ? 0 : (this.#perKey.get(key) ?? 0);
    const why = this.isDraining
      ? "draining"
      : this.#members.size >= maxConnections
        ? "maxConnections"
        : ofKey >= maxConnectionsPerKey
          ? "maxConnectionsPerKey"
          : undefined;
    const { connection } = member;
    if (why !== undefined) {
      this.refused(member, why);
      return why;
    }
    if (key !== undefined) this.#perKey.set(key, ofKey + 1);
    this.#members.set(member, { key, openedAt: performance.now() });
    this.#opened++;
    if (observer.opened !== undefined) callGuarded(() => observer.opened?.({ connection }));
    return undefined;
  }

  /** The hub does not take a connection. */
  refused({ connection }: Member, why: Refusal): void {
    this.#refused[why] = (this.#refused[why] ?? 0) + 1;
    const { observer } = this.options;
    if (observer.refused !== undefined) callGuarded(() => observer.refused?.({ connection, why }));
  }

  leave(member: Member, reason: CloseReason): void {
    const entry = this.#members.get(member);
    if (entry === undefined) return;
    const { key, openedAt } = entry;
    this.#members.delete(member);
    const ofKey = key === undefined ? 0 : (this.#perKey.get(key) ?? 0);
    if (key !== undefined && ofKey > 1) this.#perKey.set(key, ofKey - 1);
    else if (key !== undefined) this.#perKey.delete(key);
    this.#closed[reason] = (this.#closed[reason] ?? 0) + 1;
    const { observer } = this.options;
    const { connection } = member;
    if (observer.closed !== undefined) {
      callGuarded(() => observer.closed?.({ connection, reason, age: performance.now() - openedAt }));
    }
    if (this.#members.size === 0) this.#draining?.abort();
  }

  published(channel: string, events: number): void {
    this.#published += events;
    const { observer } = this.options;
    if (observer.published !== undefined) callGuarded(() => observer.published?.({ channel, events }));
  }

  /** A function's connection was handed an event. */
  sent(member: Member, bytes: number): void {
    this.#deliveredEvents++;
    this.#deliveredBytes += bytes;
    if (this.options.observer.delivered !== undefined) this.#tellDelivered(member, bytes, 1, false);
  }

  /** A channel's connection was handed a batch. */
  delivered(member: Member, batch: Batch): void {
    const { events, bytes, isReplay } = batch;
    this.#deliveredEvents += events;
    this.#deliveredBytes += bytes.length;
    if (isReplay) this.#replayedEvents += events;
    if (batch.hasGap) this.#tellGaps(member, batch);
    const { observer } = this.options;
    if (observer.delivered === undefined && (!isReplay || observer.replayed === undefined)) return;
    this.#tellDelivered(member, bytes.length, events, isReplay);
  }

  #tellDelivered({ connection, lag }: Member, bytes: number, events: number, isReplay: boolean): void {
    const { observer } = this.options;
    const delivery = { connection, bytes, events, lag };
    callGuarded(() => observer.delivered?.(delivery));
    if (isReplay) callGuarded(() => observer.replayed?.(delivery));
  }

  #tellGaps({ connection }: Member, { segments }: Batch): void {
    const { observer } = this.options;
    for (const segment of segments) {
      if (segment.type !== "gap") continue;
      const { channel, reason } = segment.item;
      this.#gaps++;
      callGuarded(() => observer.gap?.({ connection, channel, reason }));
    }
  }

  /**
   * Says goodbye to all, one after another over so many ms, and takes nobody in from now on. Whoever has not left then is
   * cut off.
   */
  async drain(within: number): Promise<void> {
    const { signal } = (this.#draining ??= new AbortController());
    if (this.#members.size === 0) return;
    const startedAt = performance.now();
    const waiting = shuffled([...this.#members.keys()]);
    const each = within / (waiting.length + 1);
    for (let said = 0; said < waiting.length && !signal.aborted;) {
      // As many as are due; a timer is late at times.
      const elapsed = performance.now() - startedAt;
      const due = elapsed < each * waiting.length ? Math.ceil(elapsed / each) : waiting.length;
      await eachInTurn(waiting.slice(said, due), (member) => member.sayGoodbye("drained"));
      said = due;
      await sleep(Math.max(GOODBYES, startedAt + (said + 1) * each - performance.now()), signal);
    }
    await sleep(Math.max(0, startedAt + within - performance.now()), signal);
    await eachInTurn([...this.#members.keys()], (member) => member.abort("drained"));
  }

  /** Says goodbye to all as fast as may be, and takes nobody in from now on. */
  async dismiss(): Promise<void> {
    this.#draining ??= new AbortController();
    await eachInTurn([...this.#members.keys()], (member) => member.sayGoodbye("drained"));
  }

  stats(channels: number): HubStats {
    const members = [...this.#members.keys()];
    return {
      connections: members.length,
      full: members.filter(({ hasRoom }) => !hasRoom).length,
      maxLag: members.reduce((most, { lag }) => Math.max(most, lag), 0),
      channels,
      isDraining: this.isDraining,
      opened: this.#opened,
      closed: { ...this.#closed },
      refused: { ...this.#refused },
      published: this.#published,
      deliveredEvents: this.#deliveredEvents,
      deliveredBytes: this.#deliveredBytes,
      replayedEvents: this.#replayedEvents,
      gaps: this.#gaps,
    };
  }
}

/** The least time between goodbyes, in ms. */
const GOODBYES = 10;

/** In an order that has nothing to do with when they came, so that neighbours do not come back together. */
function shuffled<Element>(elements: Element[]): Element[] {
  for (let i = elements.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [elements[i], elements[j]] = [elements[j] as Element, elements[i] as Element];
  }
  return elements;
}
