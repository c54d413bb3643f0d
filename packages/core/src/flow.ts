import type { LiveConnection } from "./connection.ts";
import type { Crowd } from "./crowd.ts";
import { SluiceError } from "./errors.ts";
import type { Settings } from "./options.ts";
import type { Reading } from "./reader.ts";
import { liveSegment } from "./segment.ts";
import type { Batch } from "./segment.ts";
import { startTimer } from "./timer.ts";
import { isTurnOver } from "./turns.ts";
import type { TaskQueue } from "./turns.ts";

/** How a channel's flow ended: it was closed and has told the client; its hub is closing; or the connection is over. */
export type FlowEnd = "sealed" | "drained" | "over";

/** Whom a flow tells how it ended, once. */
export interface FlowHost {
  ended(end: FlowEnd): void;
  /** @param error what the store threw */
  failed(error: unknown): void;
}

/**
 * Brings what is read to a connection, whenever there is something and the connection has room. There is nothing between
 * the two that could fill up, and nothing is waited for with a promise: for each event this runs once for each connection.
 */
export class Flow<Native> {
  readonly #host: FlowHost;
  readonly #reading: Reading;
  readonly #connection: LiveConnection<Native>;
  readonly #settings: Settings<Native>;
  readonly #tasks: TaskQueue;
  /** Of what was missed, how many bytes may still be sent before the connection is live. */
  #replayBytes: number;
  #isLive = false;
  /** The id that the client has got last. */
  #toldPosition: string | undefined = undefined;
  #stopTimer: (() => void) | undefined = undefined;
  #hasBegun = false;
  #hasEnded = false;

  /** @param crowd the connections that share the time of the process */
  constructor(
    reading: Reading,
    connection: LiveConnection<Native>,
    settings: Settings<Native>,
    host: FlowHost,
    crowd: Crowd,
  ) {
    this.#host = host;
    this.#reading = reading;
    this.#connection = connection;
    this.#settings = settings;
    this.#tasks = crowd.tasks;
    this.#replayBytes = crowd.options.maxReplayBytes;
  }

  get lag(): number {
    return this.#reading.lag;
  }

  start(): void {
    this.#reading.onReady = this.go;
    this.#tasks.run(this.#start);
  }

  // The time that the store has begins when it is asked, not while others have their turn.
  readonly #start = (): void => {
    this.#move();
    const { openTimeout } = this.#settings;
    if (!this.#hasBegun && !this.#hasEnded && openTimeout !== false) {
      this.#stopTimer = startTimer(openTimeout, () => this.#openLate(openTimeout));
    }
  };

  /** Moves on what is there, as far as there is room: at once, or when others have had their turn. */
  readonly go = (): void => {
    if (!this.#hasEnded) this.#tasks.run(this.#move);
  };

  readonly #move = (): void => {
    if (this.#hasEnded) return;
    try {
      for (let written = 0; this.#connection.hasRoom; written++) {
        // Most have one batch to write, and need not look at the clock.
        if (written > 1 && isTurnOver()) return this.#tasks.run(this.#move);
        const batch = this.#reading.take(this.#settings.maxWriteBytes);
        if (batch === undefined) break;
        this.#write(batch);
        // oxlint-disable-next-line typescript/no-unnecessary-condition -- writing may end it
        if (this.#hasEnded) return;
      }
    } catch (error) {
      return this.#fail(error);
    }
    if (this.#reading.isOver) this.#end("drained");
    else if (this.#settings.whenBehind === "disconnect" && !this.#connection.hasRoom && this.#reading.isBehind) {
      this.#connection.abort("behind");
    }
  };

  /** The bytes that bring the client's cursor to where its reading is, where no event that it has seen did. */
  cursorUpdate(): Uint8Array<ArrayBuffer> | undefined {
    const { position } = this.#reading;
    if (!this.#isLive || position === undefined || position === this.#toldPosition) return undefined;
    this.#toldPosition = position;
    return liveSegment(position).bytes;
  }

  stop(): void {
    this.#end("over");
  }

  #write(batch: Batch): void {
    if (!this.#hasBegun) this.#begin(batch.hasGap);
    this.#connection.deliver(batch);
    const { type, position } = batch.last as NonNullable<Batch["last"]>;
    this.#toldPosition = position;
    if (type === "end") return this.#end("sealed");
    if (this.#isLive) return;
    this.#isLive = type === "live";
    this.#replayBytes -= batch.bytes.length;
    // It comes back for the rest: with a cursor, and after others have had their turn.
    if (this.#replayBytes < 0 && !this.#isLive) this.#connection.sayGoodbye("replay-budget");
  }

  /** The headers tell how the resume went, so they wait for what comes first. */
  #begin(hasGap: boolean): void {
    this.#hasBegun = true;
    this.#stopTimer?.();
    const isFresh = this.#connection.resume === "fresh";
    void this.#connection.greet(hasGap ? "gap" : isFresh ? "fresh" : "resumed");
  }

  /** It may take long until there is something that the client may see. */
  #openLate(openTimeout: number): void {
    const { outcome } = this.#reading;
    if (outcome === undefined) this.#fail(notOpened(openTimeout));
    else this.#begin(outcome === "gap");
  }

  #end(end: FlowEnd): void {
    if (this.#hasEnded) return;
    this.#finish();
    this.#host.ended(end);
  }

  #fail(error: unknown): void {
    if (this.#hasEnded) return;
    this.#finish();
    this.#host.failed(error);
  }

  #finish(): void {
    this.#hasEnded = true;
    this.#stopTimer?.();
    this.#tasks.forget(this.#start);
    this.#tasks.forget(this.#move);
    this.#reading.stop();
  }
}

function notOpened(openTimeout: number): SluiceError {
  return new SluiceError(
    "unavailable",
    `Cannot read channel: the store has not answered for openTimeout (${openTimeout} ms)`,
  );
}
