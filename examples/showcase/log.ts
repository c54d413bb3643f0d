import type { Channel, ChannelEvent, Connection, EventStreamOptions, HubObserver } from "@sluice/core";
import { json } from "./mount.ts";
import type { PlainRoute, StreamRoute } from "./mount.ts";
import { masked } from "./secrets.ts";

const LEVELS = ["debug", "info", "warn", "error"] as const;

export type Level = (typeof LEVELS)[number];

/** One line of the log, as it is kept: the channel has it whole, secrets and all, and no reader ever does. */
interface Entry {
  /** In ms since the epoch. */
  readonly at: number;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** How often publishes are counted up to a line, in ms: one for each would drown the rest. */
const COUNTED = 1000;

/** The headers that are told: all of them somebody's secret, so that there is something to mask. */
const TOLD = ["authorization", "cookie", "referer"];

/**
 * The server's own log: what it did, as structured lines in the channel `log`, each with its level as the type of its event.
 * Until it has a channel it keeps nothing.
 */
export class ServerLog {
  #channel: Channel | undefined;
  /** Events by channel, since they were last told. */
  readonly #published = new Map<string, number>();

  /** What the hub does, in the words of its observer. */
  readonly observer: HubObserver = {
    opened: ({ connection }) => this.write("info", "stream opened", visitorOf(connection)),
    closed: ({ connection, reason, age }) => {
      this.write("info", "stream closed", { path: pathOf(connection.url), reason, ms: Math.round(age) });
    },
    refused: ({ connection, why }) => this.write("warn", "stream refused", { path: pathOf(connection.url), why }),
    gap: ({ channel, reason }) => this.write("warn", "a client was told of a gap", { channel, reason }),
    published: ({ channel, events }) => this.#count(channel, events),
  };

  writeTo(channel: Channel): void {
    this.#channel = channel;
  }

  /** Keeps nothing any more: its hub is about to close, and says so to whoever publishes after that. */
  close(): void {
    this.#channel = undefined;
  }

  write(level: Level, message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    const entry: Entry = { at: Date.now(), message, ...fields };
    // A log that fails must not fail what it tells of.
    void this.#channel?.publish({ event: `log.${level}`, data: entry }).catch(() => {});
  }

  error(message: string, error: unknown): void {
    console.error(`${message}:`, error);
    const { name, message: why } = error instanceof Error ? error : { name: "Error", message: String(error) };
    this.write("error", message, { error: `${name}: ${why}` });
  }

  answered(request: Request, status: number, ms: number): void {
    const { method, headers } = request;
    const url = new URL(request.url);
    const level = status >= 500 ? "error" : status >= 400 ? "warn" : /\.\w+$/.test(url.pathname) ? "debug" : "info";
    const fields = { path: pathOf(url), status, ms: Math.round(ms * 10) / 10, ...toldOf(headers) };
    this.write(level, method, fields);
  }

  /** Its own lines are not told: each would be one more. */
  #count(channel: string, events: number): void {
    if (channel === "log") return;
    if (this.#published.size === 0) setTimeout(() => this.#tellPublished(), COUNTED);
    this.#published.set(channel, (this.#published.get(channel) ?? 0) + events);
  }

  #tellPublished(): void {
    this.write("debug", "published", Object.fromEntries(this.#published));
    this.#published.clear();
  }
}

function visitorOf({ url, headers }: Connection): Readonly<Record<string, string>> {
  return { path: pathOf(url), ...toldOf(headers) };
}

function toldOf(headers: Headers): Readonly<Record<string, string>> {
  return Object.fromEntries(TOLD.flatMap((name) => (headers.has(name) ? [[name, headers.get(name) ?? ""]] : [])));
}

/** Without the cursor, which is long and says little; names are decoded, so that none hides from those who mask. */
function pathOf({ pathname, searchParams }: URL): string {
  const query = [...searchParams].filter(([name]) => name !== "lastEventId");
  return (
    pathname +
    (query.length === 0 ? "" : `?${query.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&")}`)
  );
}

/**
 * What every reader of the log has in common: it sees lines of `?level=` and above, and none of their secrets. A reader
 * of several channels gets the others' events as they are.
 */
export const discreetly: Pick<EventStreamOptions, "filter" | "map"> = {
  filter: (event, { url }) => event.channel !== "log" || isAtLeast(event, url.searchParams.get("level")),
  map: (event) => (event.channel === "log" ? { ...eventOf(event), data: masked(JSON.parse(event.data)) } : event),
};

function eventOf({ event }: ChannelEvent): { readonly event?: string } {
  return event === undefined ? {} : { event };
}

function isAtLeast({ event }: ChannelEvent, asked: string | null): boolean {
  const rank = (level: string): number => LEVELS.indexOf(level as Level);
  return rank((event ?? "").slice("log.".length)) >= Math.max(0, rank(asked ?? "info"));
}

/** `GET /log/events?level=warn` streams the log; `POST /log/visit` is a request like any other, for the page to make. */
export function logRoutes(channel: Channel): readonly [StreamRoute, PlainRoute] {
  return [
    {
      method: "GET",
      path: "/log/events",
      options: { ...discreetly, start: { last: 100 }, retry: [500, 1500] },
      open: () => () => channel,
    },
    { method: "POST", path: "/log/visit", answer: () => json({ seen: true }) },
  ];
}
