import { once } from "node:events";
import { request } from "node:http";
import type { IncomingMessage, RequestOptions } from "node:http";

/** One event as its lines say, read without any of Sluice: what `curl -N` would print. */
export interface Frame {
  readonly event: string | undefined;
  readonly id: string | undefined;
  readonly data: Record<string, unknown>;
}

/** An open response, whose frames can be taken one after another while it goes on. */
export interface Stream {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  /** The next event; undefined when the response has ended, however. */
  next(): Promise<Frame | undefined>;
  /** All that come, up to and with the first that `isLast` says yes to, or the end. */
  until(isLast: (frame: Frame) => boolean): Promise<Frame[]>;
  /** Whether the response had ended cleanly, once `next()` has said undefined. */
  readonly isComplete: boolean;
  /** Leaves, as a closed tab does. */
  leave(): void;
}

export async function openStream(url: string, options: RequestOptions & { body?: string } = {}): Promise<Stream> {
  const { body, ...rest } = options;
  const req = request(url, { agent: false, ...rest });
  req.end(body);
  // A reset after the response began is told by the response.
  req.on("error", () => {});
  const [res] = (await once(req, "response")) as [IncomingMessage];
  res.setEncoding("utf8");
  const frames = framesOf(res);
  const next = async (): Promise<Frame | undefined> => (await frames.next()).value ?? undefined;
  return {
    status: res.statusCode ?? 0,
    headers: res.headers,
    next,
    async until(isLast) {
      const all: Frame[] = [];
      for (let frame = await next(); frame !== undefined; frame = await next()) {
        all.push(frame);
        if (isLast(frame)) break;
      }
      return all;
    },
    get isComplete() {
      return res.complete;
    },
    leave: () => void req.destroy(),
  };
}

async function* framesOf(res: IncomingMessage): AsyncGenerator<Frame, undefined> {
  let text = "";
  try {
    for await (const chunk of res) {
      const parts = (text + String(chunk)).split("\n\n");
      text = parts.pop() ?? "";
      for (const part of parts) {
        const field = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, "m").exec(part)?.[1];
        const data = field("data");
        if (data !== undefined) yield { event: field("event"), id: field("id"), data: JSON.parse(data) };
      }
    }
  } catch {} // cut off: isComplete says so
  return undefined;
}

export function ask(url: string, prompt: unknown): Promise<Stream> {
  return openStream(`${url}/assistant`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ prompt }),
  });
}

export async function startJob(url: string): Promise<{ id: string; events: string }> {
  const response = await fetch(`${url}/jobs`, { method: "POST", headers: { Accept: "application/json" } });
  if (response.status !== 201) throw new Error(`The job was not started: ${response.status}`);
  return (await response.json()) as { id: string; events: string };
}
