import type { Socket } from "node:net";
import { Router } from "express";
import type { Request, RequestHandler } from "express";

/** The TCP connections under the streams that are open, each by a key that only those know who may cut it. */
export class Lines {
  readonly #sockets = new Map<string, Set<Socket>>();

  /** Remembers the connection under a response until that is over; where there is no key, nobody can cut it. */
  hold<Parameters>(keyOf: (req: Request<Parameters>) => string | undefined): RequestHandler<Parameters> {
    return (req, res, next) => {
      const key = keyOf(req);
      if (key === undefined) return next();
      const { socket } = req;
      const sockets = this.#sockets.get(key) ?? new Set();
      this.#sockets.set(key, sockets.add(socket));
      res.on("close", () => {
        sockets.delete(socket);
        if (sockets.size === 0 && this.#sockets.get(key) === sockets) this.#sockets.delete(key);
      });
      next();
    };
  }

  /**
   * Cuts them as rudely as the network can: no last chunk, no FIN, a reset.
   *
   * @returns how many there were
   */
  cut(key: string): number {
    const sockets = [...(this.#sockets.get(key) ?? [])];
    for (const socket of sockets) socket.resetAndDestroy();
    return sockets.length;
  }
}

/**
 * A page names itself, with what nobody guesses, in the query of its streams: `?page=…`.
 *
 * @returns undefined for a stream that does not, such as curl's
 */
export function pageOf({ query }: { readonly query: Request["query"] }): string | undefined {
  return isPageId(query["page"]) ? query["page"] : undefined;
}

export function isPageId(value: unknown): value is string {
  return typeof value === "string" && /^[\w-]{16,64}$/.test(value);
}

/** `POST /pages/:page/cut` cuts the connections of one page's streams. */
export function pagesRouter(lines: Lines): Router {
  const router = Router();
  router.post("/:page/cut", (req, res) => void res.json({ cut: lines.cut(req.params.page) }));
  return router;
}
