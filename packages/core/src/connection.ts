import { SluiceError } from "./errors.ts";
import { END_ID, readFields, refuseReserved } from "./event.ts";
import type { Fields, ServerSentEvent } from "./event.ts";
import { callGuarded } from "./guard.ts";
import type { Settings } from "./options.ts";
import type { Crowd, Member } from "./crowd.ts";
import type { Flow } from "./flow.ts";
import type { Refusal } from "./observe.ts";
import { acceptance, checkReturns, headerOf, readLastEventId } from "./request.ts";
import type { Resume, ResumeOutcome } from "./request.ts";
import type { Batch } from "./segment.ts";
import { serializeData } from "./serialize.ts";
import { Tick } from "./tick.ts";
import type { Ticking } from "./tick.ts";
import { connectionOver, overflow } from "./writer.ts";
import type { CloseReason, SinkEnd, SinkWriter, WriterOwner } from "./writer.ts";

/** What one request brought, as an adapter hands it over. */
export interface Exchange<Native> {
  /** The method of the request, in capitals. */
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  /** What the platform passed to the handler. */
  readonly native: Native;
  /** As `headers.get()` of a name in lower case, where the platform has that for less. */
  readonly header?: ((name: string) => string | null) | undefined;
  /** As `url.searchParams`, where the platform has that for less. */
  readonly searchParams?: Iterable<readonly [name: string, value: string]> | undefined;
}

/** One client's open response, as a source sees it. */
export interface Connection<Native = unknown> extends Omit<Exchange<Native>, "header" | "searchParams">, Resume {
  /**
   * Sends an event; `data` that is no string is serialised. Resolves when there is room for another.
   *
   * Rejects with `invalid-field` or `too-large` where the event cannot go out (`onError` is told, too, should nobody wait
   * for it); with `invalid-state` before the connection is admitted; and with `connection-closed` or `overflow` when it is
   * over.
   */
  readonly send: (event: ServerSentEvent) => Promise<void>;
  /**
   * Aborts when the source has to stop: when the connection is over, or will be once what was sent has been taken. Its
   * reason is a `connection-closed` error.
   */
  readonly signal: AbortSignal;
  /** Resolves once, with the reason, when the connection is over; never rejects. */
  readonly closed: Promise<CloseReason>;
  /** The reason, once there is one. */
  readonly reason: CloseReason | undefined;
}

const NOTHING = Symbol("nothing");
const DONE = Promise.resolve();

function notAdmitted(): SluiceError {
  return new SluiceError(
    "invalid-state",
    "Cannot send event: the connection is not admitted yet; send from the source, not from authorize or headers",
  );
}

/** Told to `onError` alone: `send()` has rejected as ever, but nobody waits for it who made this mistake. */
function lateSend(): SluiceError {
  return new SluiceError(
    "connection-closed",
    "Cannot send event: the source has returned, so its stream has ended; return a promise that lasts as long as it sends",
    { reason: "finished" },
  );
}

/** Opens the response of a connection that was admitted. */
export interface Opener {
  /** Called once, before the first bytes. */
  open(resumed: ResumeOutcome | undefined): void;
}

/** Asks again when a connection's authorisation ends, in ms since the epoch; undefined where that cannot be told. */
export interface Revalidator {
  revalidate(): Promise<number | undefined>;
}

export class LiveConnection<Native> implements Connection<Native>, Member, WriterOwner, Ticking {
  readonly method: string;
  readonly native: Native;
  readonly resume: Resume["resume"];
  readonly lastEventId: string | undefined;
  /** The client takes event streams; on POST, whatever it says: the best-known SDKs ask for them with `application/json`. */
  readonly accepts: boolean;
  /** The client has been told `sluice.end` before. */
  readonly hasSeenEnd: boolean;

  readonly #exchange: Exchange<Native>;
  // Made when somebody asks for them, the next three.
  #url: URL | undefined = undefined;
  #headers: Headers | undefined = undefined;
  #send: ((event: ServerSentEvent) => Promise<void>) | undefined = undefined;
  readonly #writer: SinkWriter;
  readonly #settings: Settings<Native>;
  #over: AbortController | undefined = undefined;
  /** Why the source has to stop. */
  #stopped: CloseReason | undefined = undefined;
  /** The connections of the hub that it is one of. */
  #crowd: Crowd | undefined = undefined;
  #tick: Tick | undefined = undefined;
  /** What brings it a channel's events. */
  #flow: Flow<Native> | undefined = undefined;
  /** When it has to end and when to ask for its authorisation again, in the time of `performance.now()`. */
  #agesAt = Infinity;
  #expiresAt = Infinity;
  #revalidateAt = Infinity;
  #revalidator: Revalidator | undefined = undefined;
  /** The last error that was reported. */
  #reported: unknown = NOTHING;
  #isReporting = false;
  #isAdmitted = false;
  #sourceIsDone = false;
  #opener: Opener | undefined = undefined;
  #isOpen = false;
  #greeted: Promise<void> = DONE;

  constructor(exchange: Exchange<Native>, writer: SinkWriter, settings: Settings<Native>) {
    this.method = exchange.method;
    this.native = exchange.native;
    this.#exchange = exchange;
    this.accepts = this.#isPost || acceptance(headerOf(exchange, "accept")) !== "none";
    const resume = readLastEventId(exchange, settings.maxLastEventIdLength);
    this.hasSeenEnd = resume.lastEventId === END_ID;
    this.resume = this.hasSeenEnd ? "unknown" : resume.resume;
    this.lastEventId = this.hasSeenEnd ? undefined : resume.lastEventId;
    this.#writer = writer;
    this.#settings = settings;
    writer.owner = this;
  }

  get connection(): this {
    return this;
  }

  get url(): URL {
    return (this.#url ??= this.#exchange.url);
  }

  get headers(): Headers {
    return (this.#headers ??= this.#exchange.headers);
  }

  get signal(): AbortSignal {
    if (this.#over === undefined) {
      this.#over = new AbortController();
      if (this.#stopped !== undefined) this.#over.abort(connectionOver(this.#stopped));
    }
    return this.#over.signal;
  }

  get closed(): Promise<CloseReason> {
    return this.#writer.closed;
  }

  get reason(): CloseReason | undefined {
    return this.#writer.reason;
  }

  /** The source has to stop, or was stopped. */
  get isStopped(): boolean {
    return this.#stopped !== undefined;
  }

  /** Status and headers of a stream have been sent. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** No client of a POST comes back by itself, and nothing but the end of the response tells it that it has all. */
  get #isPost(): boolean {
    return this.method === "POST";
  }

  /** What is written now is taken. */
  get hasRoom(): boolean {
    return this.#writer.hasRoom;
  }

  get lag(): number {
    return this.#flow?.lag ?? 0;
  }

  // Not a method: sources take it out of the connection, `async ({ send }) => …`.
  get send(): (event: ServerSentEvent) => Promise<void> {
    return (this.#send ??= (event) => this.#sendEvent(event));
  }

  #sendEvent(event: ServerSentEvent): Promise<void> {
    if (!this.#isAdmitted && this.reason === undefined) return this.#writer.refuse(notAdmitted());
    try {
      if (this.#sourceIsDone) this.#reportLateSend();
      void this.greet();
      const fields = this.#fieldsOf(event);
      const bytes = this.#writer.encode(fields);
      if (typeof fields.id === "string") checkReturns(fields.id, this.#settings.maxLastEventIdLength);
      const sent = this.#writer.write(bytes);
      if (this.reason === undefined) this.#crowd?.sent(this, bytes.length);
      return sent;
    } catch (error) {
      this.report(error);
      return this.#writer.refuse(error);
    }
  }

  admit(opener: Opener): void {
    this.#isAdmitted = true;
    this.#opener = opener;
  }

  /**
   * Opens the response and sends its first bytes, so that the client knows it is connected; once, however often it is
   * called. Resolves when there is room for an event.
   */
  greet(resumed?: ResumeOutcome): Promise<void> {
    const opener = this.#opener;
    if (opener === undefined || this.reason !== undefined) return this.#greeted;
    this.#opener = undefined;
    this.#isOpen = true;
    try {
      opener.open(resumed);
    } catch (error) {
      this.report(error);
      this.#writer.abort("write-failed");
    }
    this.#greeted = this.#writer.write(this.#settings.greetings.next(!this.#isPost));
    return this.#greeted;
  }

  /**
   * Makes it one of a hub's connections, until it is over; once.
   *
   * @returns why the hub does not take it
   */
  enter(crowd: Crowd, key: string | undefined): Refusal | undefined {
    if (this.#crowd !== undefined || this.reason !== undefined) return undefined;
    // Set first: an observer that is told may send, or drain the hub, and the connection be over before it is back.
    this.#crowd = crowd;
    const refusal = crowd.enter(this, key);
    if (refusal !== undefined) this.#crowd = undefined;
    return refusal;
  }

  get crowd(): Crowd | undefined {
    return this.#crowd;
  }

  /** Lets a channel's events come. */
  attach(flow: Flow<Native>): void {
    this.#flow = flow;
    if (this.reason === undefined && !this.isStopped) flow.start();
    else flow.stop();
  }

  /** Sends segments of a channel, which are encoded already. */
  deliver(batch: Batch): void {
    const refusal = this.#writer.push(batch.bytes);
    if (refusal === undefined && this.reason === undefined) this.#crowd?.delivered(this, batch);
  }

  /** What the client says that it has got, where it may be as long as this. */
  resumeUpTo(maxLength: number): Resume {
    if (this.hasSeenEnd || maxLength <= this.#settings.maxLastEventIdLength) return this;
    return readLastEventId(this.#exchange, maxLength);
  }

  /** Tells the client that there is nothing to come back for. */
  sayEnd(): void {
    void this.#writer.send({ event: END_ID, id: END_ID, data: "{}" });
  }

  /** Ends the response: what was sent still goes out. */
  end(reason: CloseReason): void {
    this.#opener = undefined;
    this.#sourceIsDone = reason === "finished";
    this.#writer.end(reason);
  }

  abort(reason: CloseReason): void {
    this.#writer.abort(reason);
  }

  /** Ends a connection that is to come back: it is told where it is, and when to come. The source is stopped at once. */
  sayGoodbye(reason: "max-age" | "expired" | "drained" | "replay-budget" | "refused"): void {
    if (this.reason !== undefined || this.isStopped) return;
    // A full client has yet to read what brought it where it is.
    const update = this.hasRoom ? this.#flow?.cursorUpdate() : undefined;
    if (update !== undefined) this.#writer.push(update);
    // It says when to come back.
    void this.greet();
    this.#writer.end(reason);
    this.#stop(reason);
  }

  /**
   * Ends the connection when it is old enough, or when `expiresAt` (ms since the epoch) has come; and asks at intervals
   * when that is.
   */
  startAging(expiresAt: number, revalidator: Revalidator): void {
    const { maxAge } = this.#settings;
    if (maxAge !== false) this.#agesAt = performance.now() + maxAge * (1 - Math.random() / 10);
    this.#expire(expiresAt);
    this.#revalidator = revalidator;
    this.#revalidateLater();
    this.lookBy(Math.min(this.#endsAt, this.#revalidateAt));
  }

  tick(now: number): number {
    if (now >= this.#revalidateAt - 1) void this.#askAgain();
    if (now >= this.#endsAt - 1) {
      this.sayGoodbye(this.#expiresAt < this.#agesAt ? "expired" : "max-age");
    }
    return Math.min(this.#writer.tick(now), this.#endsAt, this.#revalidateAt);
  }

  lookBy(at: number): void {
    if (at === Infinity) return;
    this.#tick ??= this.#crowd?.tick ?? new Tick();
    this.#tick.by(this, at);
  }

  endOf(reason: CloseReason): SinkEnd {
    return this.#isPost && this.#isOpen && reason !== "finished" ? "broken" : "complete";
  }

  onRoom(): void {
    this.#flow?.go();
  }

  cursorUpdate(): Uint8Array<ArrayBuffer> | undefined {
    return this.#flow?.cursorUpdate();
  }

  onOver(reason: CloseReason): void {
    this.#tick?.letGo(this);
    this.#stop(reason);
    this.#crowd?.leave(this, reason);
    // Nearly always a mistake in the source, which may not be waiting to hear of it.
    if (reason === "overflow") this.report(overflow(this.#settings.maxPendingBytes));
  }

  /** Tells `onError`, once for each error, and lets nothing that it throws out. */
  report(error: unknown): void {
    // What goes wrong within onError itself is not told to it again.
    if (error === this.#reported || this.#isReporting) return;
    this.#reported = error;
    this.#isReporting = true;
    callGuarded(() => this.#settings.onError(error, this));
    this.#isReporting = false;
  }

  /** Once for a connection: who forgot to wait has perhaps forgotten to stop, too. */
  #reportLateSend(): void {
    this.#sourceIsDone = false;
    this.report(lateSend());
  }

  #stop(reason: CloseReason): void {
    if (this.isStopped) return;
    this.#stopped = reason;
    this.#agesAt = this.#expiresAt = this.#revalidateAt = Infinity;
    this.#flow?.stop();
    this.#over?.abort(connectionOver(reason));
  }

  get #endsAt(): number {
    return Math.min(this.#agesAt, this.#expiresAt);
  }

  #expire(expiresAt: number): void {
    this.#expiresAt = performance.now() + expiresAt - Date.now();
  }

  #revalidateLater(): void {
    const { revalidate } = this.#settings;
    // Spread, so that a crowd that came together does not ask together.
    const isAsked = revalidate !== false && !this.isStopped;
    this.#revalidateAt = isAsked ? performance.now() + revalidate * (1 - Math.random() / 10) : Infinity;
  }

  async #askAgain(): Promise<void> {
    this.#revalidateAt = Infinity;
    const expiresAt = await this.#revalidator?.revalidate();
    if (this.isStopped) return;
    if (expiresAt !== undefined) this.#expire(expiresAt);
    this.#revalidateLater();
    this.lookBy(Math.min(this.#endsAt, this.#revalidateAt));
  }

  #fieldsOf(event: ServerSentEvent): Fields {
    const fields = readFields(event);
    refuseReserved("event", fields.event);
    refuseReserved("id", fields.id);
    if (fields.data === undefined) return fields;
    return { ...fields, data: serializeData(this.#settings.serialize, fields.data) };
  }
}
