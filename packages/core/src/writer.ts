import { joinBytes } from "./bytes.ts";
import { checkOptions, aDuration, aSize } from "./check-options.ts";
import type { Rule } from "./check-options.ts";
import { encodeValid } from "./encode.ts";
import { refuseLarge } from "./encoded-size.ts";
import { SluiceError } from "./errors.ts";
import { checkFields, readFields } from "./event.ts";
import type { Fields, ServerSentEvent } from "./event.ts";
import { COMMENT } from "./greetings.ts";
import { Tick } from "./tick.ts";
import { Pace } from "./turns.ts";
import type { Ticking } from "./tick.ts";

/**
 * Why a connection ended. It ends once, for the one reason that was noticed first.
 *
 * | reason | what happened |
 * | --- | --- |
 * | `finished` | the source had no more to say |
 * | `failed` | the source threw; on GET the client sees a clean end and may reconnect, on POST a response that was broken off |
 * | `disconnected` | the client went away |
 * | `write-failed` | the platform refused a write |
 * | `write-deadline` | the client took nothing for `writeDeadline` ms |
 * | `overflow` | the source sent more than `maxPendingBytes` without waiting for room |
 * | `behind` | the client was more than `maxLag` events behind its channel, and `whenBehind` is `"disconnect"` |
 * | `replay-budget` | the client was sent `maxReplayBytes` of what it had missed; it comes back for the rest |
 * | `max-age` | the connection reached its maximum age |
 * | `expired` | the authorisation expired |
 * | `drained` | the server is shutting down |
 * | `refused` | no stream was opened: not authorised, not acceptable, over a limit, or nothing left to send |
 */
export type CloseReason =
  | "finished"
  | "failed"
  | "disconnected"
  | "write-failed"
  | "write-deadline"
  | "overflow"
  | "behind"
  | "replay-budget"
  | "max-age"
  | "expired"
  | "drained"
  | "refused";

/** How a response ends: as its framing says, or before. */
export type SinkEnd = "complete" | "broken";

/** What a platform must be able to do for one response: the seam between core and every adapter. */
export interface Sink {
  /**
   * Sends status and headers, without waiting for a body. Called once, before any write.
   *
   * @param text the whole body of a response that is not a stream: nothing is written then, and `end()` follows at once
   */
  open(status: number, headers: Headers, text?: string): void;
  /**
   * Hands bytes over, to go out now. They are never changed afterwards.
   *
   * @returns false when the platform holds enough: nothing is written then until `drained()` is called on the writer
   */
  write(bytes: Uint8Array<ArrayBuffer>): boolean;
  /**
   * Ends the response, after what was written. Where `buffered` is not 0 then, `drained()` is called on the writer once all
   * has left.
   *
   * @param how `complete`: cleanly. `broken`: what was written still goes out, and then the response breaks off, so that the
   * client cannot take it for the whole
   */
  end(how: SinkEnd): void;
  /** Breaks the connection off at once, whatever the platform still holds. */
  abort(): void;
  /** How many bytes the platform has taken and not yet passed on; when it shrinks, the client is reading. */
  readonly buffered: number;
}

/** The limits and deadlines of one connection's writer. */
export interface WriterOptions {
  /** After so many ms without a write a comment is sent; `false` for never. Default 10,000. */
  readonly keepAlive?: number | false | undefined;
  /** A client that takes nothing for so many ms, while something waits for it, is cut off; `false` for never. Default 30,000. */
  readonly writeDeadline?: number | false | undefined;
  /** The most that is handed to the platform in one write, in bytes. Default 65,536. */
  readonly maxWriteBytes?: number | undefined;
  /** The most that waits for a full client, in bytes and 200 for each event; more ends the connection with `overflow`. Default 1 MiB. */
  readonly maxPendingBytes?: number | undefined;
  /** The largest event, encoded, in bytes; a larger one is refused with `too-large`. Default 1 MiB. */
  readonly maxEventBytes?: number | undefined;
}

/** Writer options with every default filled in. */
export interface WriterSettings {
  readonly keepAlive: number | false;
  readonly writeDeadline: number | false;
  readonly maxWriteBytes: number;
  readonly maxPendingBytes: number;
  readonly maxEventBytes: number;
}

export const writerRules: Readonly<Record<keyof WriterOptions, Rule>> = {
  keepAlive: aDuration,
  writeDeadline: aDuration,
  maxWriteBytes: aSize,
  maxPendingBytes: aSize,
  maxEventBytes: aSize,
};

export function resolveWriterOptions(options: WriterOptions): WriterSettings {
  return {
    keepAlive: options.keepAlive ?? 10_000,
    writeDeadline: options.writeDeadline ?? 30_000,
    maxWriteBytes: options.maxWriteBytes ?? 65_536,
    maxPendingBytes: options.maxPendingBytes ?? 1_048_576,
    maxEventBytes: options.maxEventBytes ?? 1_048_576,
  };
}

/** Writes events to one {@link Sink}, no faster than the client reads. */
export interface Writer {
  /**
   * Sends an event. Resolves when there is room for another: a caller that waits can never run ahead of the client.
   *
   * Rejects with `invalid-field` or `too-large` where the event cannot go out, and nothing of it does; with
   * `connection-closed` when the connection is over. A rejection that nobody handles is not reported as unhandled,
   * so no client can bring a process down by leaving.
   */
  send(event: ServerSentEvent<string>): Promise<void>;
  /** As `send`, of events that are encoded already: bytes that are never changed afterwards. */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Ends the response when all that was sent has been taken. Further sends are refused. */
  end(reason: CloseReason): void;
  /** Breaks the connection off, whatever still waits. */
  abort(reason: CloseReason): void;
  /** Resolves once, with the reason, when the connection is over; never rejects. */
  readonly closed: Promise<CloseReason>;
  /** The reason, once there is one. */
  readonly reason: CloseReason | undefined;
  /** The adapter says: there is room again; or, after `end()`, that the last bytes have left. */
  drained(): void;
  /** The adapter says: the platform has noticed that the connection is over. Default `"disconnected"`. */
  gone(reason?: CloseReason): void;
}

/**
 * Creates the backpressure-aware writer of one connection: what every adapter stands on, and a base for your own.
 *
 * Memory is bounded: beyond what the platform holds, at most `maxPendingBytes` and one event wait here. A hole never
 * opens: the client gets all that was accepted, in order, or its connection ends. No timer runs before the first send.
 *
 * @param sink the response; `drained()` and `gone()` of the writer must be called for it
 * @throws {SluiceError} `invalid-option`
 *
 * @example
 * ```ts
 * import { createWriter } from "@sluice/core";
 *
 * const text: string[] = [];
 * const writer = createWriter({
 *   buffered: 0,
 *   open() {},
 *   write(bytes) {
 *     text.push(new TextDecoder().decode(bytes));
 *     return true;
 *   },
 *   end() {},
 *   abort() {},
 * });
 * await writer.send({ data: "hello" });
 * writer.end("finished");
 * console.assert(text.join("") === "data: hello\n\n" && (await writer.closed) === "finished");
 * ```
 */
export function createWriter(sink: Sink, options: WriterOptions = {}): Writer {
  checkOptions("Cannot create writer", options, writerRules);
  const writer = new SinkWriter(sink, resolveWriterOptions(options));
  const tick = new Tick();
  writer.owner = {
    lookBy: (at) => tick.by(writer, at),
    onRoom() {},
    onOver: () => tick.letGo(writer),
    endOf: () => "complete",
    cursorUpdate: () => undefined,
  };
  return writer;
}

/** Whom a writer serves. */
export interface WriterOwner {
  /** The writer's `tick` is to be called by then, in the time of `performance.now()`. */
  lookBy(at: number): void;
  /** There is room, and nothing waits. */
  onRoom(): void;
  /** Called once, before `closed` resolves. */
  onOver(reason: CloseReason): void;
  /** How the response ends. */
  endOf(reason: CloseReason): SinkEnd;
  /** What to send to a silent client in place of a comment. */
  cursorUpdate(): Uint8Array<ArrayBuffer> | undefined;
}

const utf8 = new TextEncoder();
const ROOM = Promise.resolve();

export class SinkWriter implements Writer, Ticking {
  owner!: WriterOwner;
  /** What a connection with a source has beside its writer. */
  finishing: { done(): Promise<void>; report(error: unknown): void } | undefined = undefined;
  reason: CloseReason | undefined = undefined;

  readonly #sink: Sink;
  readonly #settings: WriterSettings;

  #queue: Uint8Array<ArrayBuffer>[] = [];
  #queuedBytes = 0;
  /** The sink has said that it holds enough. */
  #full = false;
  /** What all sends wait for together: the queue is empty and the sink has room. */
  #room: Deferred | undefined = undefined;
  /** Of a caller that waits for room, where there is always room. */
  readonly #pace: Pace = new Pace();
  #nextTurn: Promise<void> | undefined = undefined;
  #ending: CloseReason | undefined = undefined;
  /** The sink has been told to end. */
  #hasEnded = false;
  // Made when somebody asks: most never do.
  #closed: Promise<CloseReason> | undefined = undefined;
  #resolveClosed: ((reason: CloseReason) => void) | undefined = undefined;

  /** When something was last written; undefined before the first time. */
  #lastWrite: number | undefined = undefined;
  /** When the client was last seen to take something, and how much the sink held then. */
  #progressAt = 0;
  #bufferedAt = 0;

  constructor(sink: Sink, settings: WriterSettings) {
    this.#sink = sink;
    this.#settings = settings;
  }

  get closed(): Promise<CloseReason> {
    this.#closed ??= new Promise((resolve) => {
      if (this.reason === undefined) this.#resolveClosed = resolve;
      else resolve(this.reason);
    });
    return this.#closed;
  }

  get done(): Promise<void> {
    return this.finishing?.done() ?? ROOM;
  }

  report(error: unknown): void {
    this.finishing?.report(error);
  }

  send(event: ServerSentEvent<string>): Promise<void> {
    try {
      return this.write(this.encode(readFields(event)));
    } catch (error) {
      return rejected(error);
    }
  }

  /** @throws {SluiceError} `invalid-field`, or `too-large` before it is encoded */
  encode(fields: Fields): Uint8Array<ArrayBuffer> {
    checkFields(fields);
    refuseLarge(fields, {
      action: "Cannot send event",
      option: "maxEventBytes",
      bytes: this.#settings.maxEventBytes,
    });
    return utf8.encode(encodeValid(fields));
  }

  write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const refusal = this.push(bytes);
    return refusal === undefined ? this.#inTurn(1 + bytes.length / STEP) : this.refuse(refusal);
  }

  /**
   * As `write`, for a caller that looks at `hasRoom`.
   *
   * @returns why the bytes were not taken
   */
  push(bytes: Uint8Array<ArrayBuffer>): SluiceError | undefined {
    const over = this.reason ?? this.#ending;
    if (over !== undefined) return connectionClosed(over);
    if (this.hasRoom && bytes.length <= this.#settings.maxWriteBytes) {
      this.#handOver(bytes);
      return undefined;
    }
    const cost = bytes.length + QUEUED;
    if (this.#queuedBytes > 0 && this.#queuedBytes + cost > this.#settings.maxPendingBytes) {
      this.abort("overflow");
      return overflow(this.#settings.maxPendingBytes);
    }
    this.#queue.push(bytes);
    this.#queuedBytes += cost;
    this.#flush();
    return undefined;
  }

  /** Nothing waits, and what is written now is taken. */
  get hasRoom(): boolean {
    return !this.#full && this.#queue.length === 0 && this.reason === undefined && this.#ending === undefined;
  }

  end(reason: CloseReason): void {
    if (this.reason !== undefined || this.#ending !== undefined) return;
    this.#ending = reason;
    this.#settle();
  }

  abort(reason: CloseReason): void {
    if (this.reason !== undefined) return;
    this.#close(reason);
    this.#abortSink();
  }

  drained(): void {
    if (this.reason !== undefined) return;
    if (this.#hasEnded) return this.#close(this.#ending as CloseReason);
    this.#full = false;
    this.#flush();
    if (this.reason !== undefined) return;
    // It has just been given what waited for it.
    this.#lastWrite = performance.now();
    if (this.#settings.keepAlive !== false) this.owner.lookBy(this.#lastWrite + this.#settings.keepAlive);
    if (this.hasRoom) this.owner.onRoom();
  }

  gone(reason: CloseReason = "disconnected"): void {
    if (this.reason === undefined) this.#close(reason);
  }

  /** Hands over all that waits, or as much as the sink takes. */
  #flush(): void {
    while (!this.#full && this.#queue.length > 0) {
      if (!this.#handOver(this.#takeFromQueue())) return;
    }
    this.#settle();
  }

  /** @returns false when the connection broke */
  #handOver(bytes: Uint8Array<ArrayBuffer>): boolean {
    // Set first: a sink may call drained() before write() returns.
    this.#full = true;
    try {
      if (this.#sink.write(bytes)) this.#full = false;
    } catch {
      this.abort("write-failed");
    }
    if (this.reason !== undefined) return false;
    const now = performance.now();
    if (this.#lastWrite === undefined && this.#settings.keepAlive !== false) {
      this.owner.lookBy(now + this.#settings.keepAlive);
    }
    this.#lastWrite = now;
    if (this.#full) this.#watchProgress(now);
    return true;
  }

  /** As many whole events as one write may take; of an event that is larger than that, a part. */
  #takeFromQueue(): Uint8Array<ArrayBuffer> {
    const max = this.#settings.maxWriteBytes;
    const first = this.#queue[0] as Uint8Array<ArrayBuffer>;
    if (first.length > max) {
      this.#queue[0] = first.subarray(max);
      this.#queuedBytes -= max;
      return first.subarray(0, max);
    }
    let count = 0;
    let bytes = 0;
    for (const next of this.#queue) {
      if (bytes + next.length > max) break;
      bytes += next.length;
      count++;
    }
    const taken = this.#queue.splice(0, count);
    this.#queuedBytes -= bytes + count * QUEUED;
    return joinBytes(taken);
  }

  /** Does what waited for room, once there is some. */
  #settle(): void {
    if (this.#full || this.#queue.length > 0 || this.reason !== undefined) return;
    this.#room?.resolve();
    this.#room = undefined;
    if (this.#ending !== undefined) this.#endSink(this.#ending);
  }

  /** Over is the connection when the last bytes have left: a client that does not take them is cut off as any other. */
  #endSink(reason: CloseReason): void {
    this.#hasEnded = true;
    this.#full = true;
    try {
      this.#sink.end(this.owner.endOf(reason));
    } catch {
      return this.abort(reason);
    }
    if (this.reason !== undefined) return;
    if (this.#sink.buffered === 0) this.#close(reason);
    else this.#watchProgress(performance.now());
  }

  #abortSink(): void {
    try {
      this.#sink.abort();
    } catch {} // it is over, and there is nobody left to tell
  }

  /** Rejects, and not before the next turn where the caller has kept everybody else waiting: it may try on and on. */
  refuse(error: unknown): Promise<never> {
    if (this.#nextTurn === undefined && !this.#pace.isOver()) return rejected(error);
    const refused = this.#atNextTurn().then(() => rejected(error));
    refused.catch(ignore);
    return refused;
  }

  #atNextTurn(): Promise<void> {
    this.#nextTurn ??= this.#pace.nextTurn().then(() => {
      this.#nextTurn = undefined;
    });
    return this.#nextTurn;
  }

  /**
   * Resolves when there is room, and not before the next turn where the caller has kept everybody else waiting: a sink may
   * always have room, or have it again within the same turn.
   */
  #inTurn(cost: number): Promise<void> {
    if (this.#nextTurn === undefined && !this.#pace.isOver(cost)) return this.#whenRoom();
    const room = this.#atNextTurn().then(() => this.#whenRoom());
    room.catch(ignore);
    return room;
  }

  #whenRoom(): Promise<void> {
    if (this.reason !== undefined) return rejected(connectionClosed(this.reason));
    if (!this.#full && this.#queue.length === 0) return ROOM;
    this.#room ??= defer();
    return this.#room.promise;
  }

  #close(reason: CloseReason): void {
    this.reason = reason;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#room?.reject(reason === "overflow" ? overflow(this.#settings.maxPendingBytes) : connectionClosed(reason));
    this.#room = undefined;
    this.owner.onOver(reason);
    this.#resolveClosed?.(reason);
  }

  /** Keeps the connection alive, or ends it, when it is time. */
  tick(now: number): number {
    if (this.reason !== undefined) return Infinity;
    return this.#full ? this.#checkProgress(now) : this.#keepAlive(now);
  }

  // To a full client nothing is written: bytes wait for it as it is. A timer that fires a ms early has done its duty.

  #keepAlive(now: number): number {
    const { keepAlive } = this.#settings;
    if (keepAlive === false || this.#lastWrite === undefined) return Infinity;
    if (now < this.#lastWrite + keepAlive - 1) return this.#lastWrite + keepAlive;
    this.#handOver(this.owner.cursorUpdate() ?? COMMENT);
    return now + keepAlive;
  }

  #checkProgress(now: number): number {
    const { writeDeadline } = this.#settings;
    if (writeDeadline === false) return Infinity;
    if (this.#sink.buffered < this.#bufferedAt) this.#watchProgress(now);
    const due = this.#progressAt + writeDeadline;
    if (now < due - 1) return due;
    this.abort("write-deadline");
    return Infinity;
  }

  #watchProgress(now: number): void {
    this.#progressAt = now;
    this.#bufferedAt = this.#sink.buffered;
    if (this.#settings.writeDeadline !== false) this.owner.lookBy(now + this.#settings.writeDeadline);
  }
}

/** A promise with its two ends. `Promise.withResolvers` is younger than the oldest Node that is supported. */
interface Deferred {
  readonly promise: Promise<void>;
  resolve(): void;
  reject(error: unknown): void;
}

function defer(): Deferred {
  let resolve!: () => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  promise.catch(ignore);
  return { promise, resolve, reject };
}

/** A rejection that is not reported when nobody waits for it. */
function rejected(error: unknown): Promise<never> {
  const promise = Promise.reject(error);
  promise.catch(ignore);
  return promise;
}

function ignore(): void {}

/** In bytes: writing this many takes as long as sending one small event. */
const STEP = 4096;

/** What an event that waits costs besides its bytes, in bytes: measured, some 200. */
const QUEUED = 200;

/** Why the signal of a connection has aborted. */
export function connectionOver(reason: CloseReason): SluiceError {
  return new SluiceError("connection-closed", `The connection is over: ${reason}`, { reason });
}

/** The error of everything that is asked of a connection that is over. */
function connectionClosed(reason: CloseReason): SluiceError {
  return new SluiceError("connection-closed", `Cannot send event: the connection is over: ${reason}`, { reason });
}

/** The error of a source that does not wait. */
export function overflow(most: number): SluiceError {
  return new SluiceError(
    "overflow",
    `Cannot send event: the client has not taken what was sent before, and more than maxPendingBytes (${most}) would wait; await send()`,
    { option: "maxPendingBytes", reason: "overflow" },
  );
}
