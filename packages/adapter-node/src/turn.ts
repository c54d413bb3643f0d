import type { Socket } from "node:net";
import type { NodeResponse } from "./response-sink.ts";

/** The response to a request that was sent before the earlier ones of its socket were answered (RFC 9112, section 9.3.2). */
export function isWaiting(res: NodeResponse): boolean {
  return !("stream" in res) && res.socket === null && !res.writableFinished;
}

/**
 * Waits until the socket is the response's. Until then nothing of it can be sent, so nothing is run for it.
 *
 * @returns false where the socket was closed before
 */
export function turnOf(res: NodeResponse): Promise<boolean> {
  const { socket } = res.req;
  const line = lines.get(socket) ?? new Line(socket);
  lines.set(socket, line);
  return line.wait(res);
}

const lines = new WeakMap<Socket, Line>();

/** What waits behind the first response of one socket: with one listener for all, however many a client asks for. */
class Line {
  readonly #socket: Socket;
  readonly #waiting = new Set<(hasTurn: boolean) => void>();
  #patience: NodeJS.Timeout | undefined = undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    // Before Node 24, a response that waits is not told that the client has left.
    socket.once("close", () => {
      clearTimeout(this.#patience);
      for (const settle of this.#waiting) settle(false);
      this.#waiting.clear();
    });
  }

  wait(res: NodeResponse): Promise<boolean> {
    return new Promise((resolve) => {
      this.#waiting.add(resolve);
      res.once("socket", () => {
        this.#waiting.delete(resolve);
        resolve(true);
        this.#goOn();
      });
      if (this.#waiting.size > MOST_WAITING) this.#hold();
    });
  }

  /**
   * Reads no further requests. Whoever leaves a socket that is not read is not seen to leave, so this lasts only while the
   * responses go on: a socket that is left unread behind a stream without an end is closed.
   */
  #hold(): void {
    if (this.#patience !== undefined) return;
    this.#patience = setTimeout(() => this.#socket.destroy(), PATIENCE).unref();
    this.#socket.on("resume", this.#pause).pause();
  }

  #goOn(): void {
    if (this.#patience === undefined) return;
    this.#patience.refresh();
    if (this.#waiting.size > MOST_WAITING / 2) return;
    clearTimeout(this.#patience);
    this.#patience = undefined;
    this.#socket.off("resume", this.#pause).resume();
  }

  /** Node reads on after each response. */
  readonly #pause = (): void => void this.#socket.pause();
}

/** Requests. Of those that Node reads at once, 64 KiB, more may be let in. */
const MOST_WAITING = 100;

/** In ms. */
const PATIENCE = 2000;
