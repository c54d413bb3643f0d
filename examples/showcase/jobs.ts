import type { ServerSentEvent } from "@sluice/core";
import type { Facts } from "./facts.ts";
import { hashTree } from "./hashing.ts";
import type { Tree } from "./hashing.ts";
import type { Lines } from "./lines.ts";
import type { ServerLog } from "./log.ts";
import { json, refusal } from "./mount.ts";
import type { Route, Visit } from "./mount.ts";

const MOST_AT_ONCE = 4;
const MOST_REMEMBERED = 20;

export interface JobsOptions {
  /** What to hash. */
  readonly tree: Tree;
  /** How long a job takes about it. */
  readonly seconds: number;
  readonly lines: Lines;
  readonly facts: Facts;
  readonly log: ServerLog;
  readonly shutdown: AbortSignal;
}

/**
 * `POST /jobs` starts a job, `GET /jobs/:id/events` streams what happens in it, from wherever the client has been.
 *
 * A job writes a log and knows nothing of who reads it; a stream is a reader of that log. So it makes no difference to
 * the job when a connection drops, and the next connection goes on where the last event ID says.
 */
export function jobsRoutes({ tree, seconds, lines, facts, log, shutdown }: JobsOptions): readonly Route[] {
  const jobs = new Map<string, Job>();
  const jobOf = ({ params }: Visit): Job | undefined => jobs.get(params["id"] ?? "");
  const unknown = (): Response => refusal(404, "There is no such job.");

  return [
    {
      method: "POST",
      path: "/jobs",
      answer({ request, url }) {
        if ([...jobs.values()].filter((job) => !job.isOver).length >= MOST_AT_ONCE) {
          return refusal(503, `${MOST_AT_ONCE} jobs are running already. Try again in a moment.`);
        }
        const id = crypto.randomUUID().replaceAll("-", "").slice(0, 16);
        const job = new Job(log);
        jobs.set(id, job);
        forgetOldest(jobs);
        void job.run(tree, seconds, facts, shutdown);
        const events = `${url.pathname}/${id}/events`;
        // A program that asks for JSON gets the address; `curl -L` is led straight to the stream.
        if (request.headers.get("Accept")?.includes("application/json") !== true) {
          return new Response(null, { status: 303, headers: { Location: events } });
        }
        return json({ id, events }, 201, { Location: events });
      },
    },
    {
      method: "GET",
      path: "/jobs/:id",
      answer(visit) {
        const job = jobOf(visit);
        return job === undefined
          ? unknown()
          : json({ state: job.state, events: job.log.length, connections: job.connections });
      },
    },
    {
      method: "GET",
      path: "/jobs/:id/events",
      options: { retry: 1000 },
      lineOf,
      open(visit) {
        const job = jobOf(visit);
        if (job === undefined) return unknown();
        // Sluice answers 204 to who has been told that it is over.
        if (visit.request.headers.get("Last-Event-ID") === "sluice.end") job.connections.turnedAway++;
        return ({ lastEventId, resume, signal }) => {
          job.connections.opened++;
          if (resume === "resumed") job.connections.resumed++;
          return job.read(lastEventId, signal);
        };
      },
    },
    {
      method: "POST",
      path: "/jobs/:id/drop",
      answer: (visit) => (jobOf(visit) === undefined ? unknown() : json({ dropped: lines.cut(lineOf(visit)) })),
    },
  ];
}

/** For who may cut the streams of a job. */
function lineOf({ params }: Visit): string {
  return `job ${params["id"]}`;
}

class Job {
  /** What has happened; an event's id is its place, counted from 1. Bounded, as the steps of `hashTree` are. */
  readonly log: ServerSentEvent[] = [];
  readonly connections = { opened: 0, resumed: 0, turnedAway: 0 };
  state: "running" | "finished" | "failed" = "running";

  readonly #serverLog: ServerLog;
  /** Those that wait for the next event. */
  #waiting = new Set<() => void>();

  constructor(serverLog: ServerLog) {
    this.#serverLog = serverLog;
  }

  get isOver(): boolean {
    return this.state !== "running";
  }

  /** Never rejects: what goes wrong is an entry of the log. */
  async run(tree: Tree, seconds: number, facts: Facts, signal: AbortSignal): Promise<void> {
    let filesDone = 0;
    try {
      for await (const step of hashTree(tree, { seconds, signal })) {
        if (step.event === "progress") {
          facts.filesHashed += step.data.filesDone - filesDone;
          filesDone = step.data.filesDone;
        }
        if (step.event === "finished") this.state = "finished";
        this.#append(step);
      }
    } catch (error) {
      if (!signal.aborted) this.#serverLog.error("a job failed", error);
      this.state = "failed";
      const message = signal.aborted ? "The server is shutting down, and the job with it." : "The job failed.";
      this.#append({ event: "failed", data: { message } });
    }
  }

  /** Yields what came after `lastEventId` and what comes, until the job is over. */
  async *read(lastEventId: string | undefined, signal: AbortSignal): AsyncGenerator<ServerSentEvent> {
    let position = this.#positionOf(lastEventId);
    while (!signal.aborted) {
      const event = this.log[position];
      if (event !== undefined) {
        position++;
        yield event;
      } else if (this.isOver) {
        return;
      } else {
        await this.#next(signal);
      }
    }
  }

  #append(event: ServerSentEvent): void {
    this.log.push({ ...event, id: String(this.log.length + 1) });
    for (const ring of this.#waiting) ring();
  }

  /** Resolves with the next event, or once nobody waits for it any more. */
  #next(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const ring = (): void => {
        this.#waiting.delete(ring);
        signal.removeEventListener("abort", ring);
        resolve();
      };
      this.#waiting.add(ring);
      signal.addEventListener("abort", ring);
    });
  }

  /** The id comes from the client: anything that is no place in this log means from the start. */
  #positionOf(lastEventId: string | undefined): number {
    if (lastEventId === undefined || !/^[1-9]\d*$/.test(lastEventId)) return 0;
    const position = Number(lastEventId);
    return position <= this.log.length ? position : 0;
  }
}

function forgetOldest(jobs: Map<string, Job>): void {
  for (const [id, job] of jobs) {
    if (jobs.size <= MOST_REMEMBERED) return;
    if (job.isOver) jobs.delete(id);
  }
}
