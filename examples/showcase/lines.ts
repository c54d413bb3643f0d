import { json } from "./mount.ts";
import type { PlainRoute, Visit } from "./mount.ts";

/** The connections under the streams that are open, each by a key that only those know who may cut it. */
export class Lines {
  readonly #cuts = new Map<string, Set<() => void>>();

  /** Remembers how to cut a connection until it is over; where there is no key, nobody can. */
  hold(key: string | undefined, cut: () => void, closed: Promise<unknown>): void {
    if (key === undefined) return;
    const cuts = this.#cuts.get(key) ?? new Set();
    this.#cuts.set(key, cuts.add(cut));
    void closed.then(() => {
      cuts.delete(cut);
      if (cuts.size === 0 && this.#cuts.get(key) === cuts) this.#cuts.delete(key);
    });
  }

  /**
   * Cuts them as rudely as the platform can: on Node with a reset of the TCP connection, elsewhere in the middle of the
   * body.
   *
   * @returns how many there were
   */
  cut(key: string): number {
    const cuts = [...(this.#cuts.get(key) ?? [])];
    for (const cut of cuts) cut();
    return cuts.length;
  }
}

/**
 * A page names itself, with what nobody guesses, in the query of its streams: `?page=…`.
 *
 * @returns undefined for a stream that does not, such as curl's
 */
export function pageOf({ url }: Visit): string | undefined {
  const page = url.searchParams.get("page");
  return isPageId(page) ? page : undefined;
}

export function isPageId(value: unknown): value is string {
  return typeof value === "string" && /^[\w-]{16,64}$/.test(value);
}

/** `POST /pages/:page/cut` cuts the connections of one page's streams. */
export function pagesRoute(lines: Lines): PlainRoute {
  return {
    method: "POST",
    path: "/pages/:page/cut",
    answer: ({ params }) => json({ cut: lines.cut(params["page"] ?? "") }),
  };
}
