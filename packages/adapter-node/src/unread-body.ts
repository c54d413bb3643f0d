import type { IncomingMessage } from "node:http";
import { SluiceError } from "@sluice/core";
import type { RespondingWriter } from "@sluice/core";
import type { NodeRequest } from "./exchange.ts";

/**
 * The body of a request, for as long as nobody reads it.
 *
 * Node stops reading a socket when a body has filled its buffer, and does not see then that the client leaves. So the
 * buffer is let grow; and a body that is too large for that, or lies there for long, is discarded. What was discarded cannot
 * be read later as if it had been empty: that fails. A body that somebody has begun to read is left alone.
 */
export class UnreadBody {
  /** Of the connection, once there is one. */
  writer: RespondingWriter | undefined = undefined;

  readonly #req: IncomingMessage;
  #ticks = 0;
  #timer: NodeJS.Timeout | undefined = undefined;

  /** Undefined where there is nothing to watch: HTTP/2 goes on reading the socket by itself. */
  static of(req: NodeRequest): UnreadBody | undefined {
    if ("stream" in req || !hasBody(req) || !isUnread(req)) return undefined;
    return req.complete && !isOverfull(req) ? undefined : new UnreadBody(req);
  }

  private constructor(req: IncomingMessage) {
    this.#req = req;
    const { push } = req;
    req.push = (...args) => {
      const wantsMore = push.apply(req, args);
      return wantsMore || (isUnread(req) && this.#takes());
    };
    if (isOverfull(req) && this.#takes() && !req.complete) req.socket.resume();
    req.once("close", () => clearTimeout(this.#timer));
  }

  /** @returns whether the overfull buffer may grow further */
  #takes(): boolean {
    this.#timer ??= setInterval(() => this.#look(), TICK).unref();
    return this.#req.readableLength < MOST_KEPT;
  }

  #look(): void {
    const req = this.#req;
    this.#ticks++;
    const isWanted = !isUnread(req) || req.destroyed;
    const isBlocking = req.readableLength >= MOST_KEPT && !req.complete;
    if (isWanted || isBlocking || this.#ticks >= KEPT_TICKS) clearInterval(this.#timer);
    else return;
    if (!isWanted) this.#discard();
  }

  #discard(): void {
    const req = this.#req;
    // What comes from now on is taken and dropped; an end that came would look like that of an empty body.
    req.push = () => true;
    req.resume();
    let isTold = false;
    req.on("newListener", (event) => {
      if (isTold || (event !== "data" && event !== "readable")) return;
      isTold = true;
      // By then whoever reads listens for errors, too.
      process.nextTick(() => this.#fail());
    });
  }

  #fail(): void {
    const req = this.#req;
    const error = new SluiceError(
      "invalid-state",
      "Cannot read request body: nobody had read it for a while, and it was discarded; read it before anything else is awaited",
    );
    this.writer?.report(error);
    req.on("error", ignore);
    if (req.destroyed) return void req.emit("error", error);
    // The connection is not broken off with it.
    Object.assign(req, { _destroy: (_: unknown, done: (error: Error) => void) => done(error) });
    req.destroy(error);
  }
}

/** RFC 9112, section 6.3: a request that has neither header has no body. */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
}

/** Nobody has begun to read it, or said when. */
function isUnread(req: IncomingMessage): boolean {
  return req.readableFlowing === null && !req.readableDidRead;
}

function isOverfull(req: IncomingMessage): boolean {
  return req.readableLength >= req.readableHighWaterMark;
}

function ignore(): void {}

/** How much of a body is kept for a source that may read it later, in bytes. */
const MOST_KEPT = 1024 * 1024;

/** In ms: how long a body that is larger than that may stop the socket from being read. */
const TICK = 500;

/** For how many ticks a body that is larger than Node's own buffer is kept. */
const KEPT_TICKS = 20;
