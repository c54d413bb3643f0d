import { randomBytes } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { eventStream } from "@sluice/adapter-express";
import type { ServerSentEvent } from "@sluice/core";
import { Router } from "express";
import type { RequestHandler } from "express";
import { whileOpen } from "./facts.ts";
import type { Facts } from "./facts.ts";
import { hashTree } from "./hashing.ts";
import type { Lines } from "./lines.ts";

const MOST_AT_ONCE = 4;
const MOST_REMEMBERED = 20;

export interface JobsOptions {
  /** The folder to hash. */
  readonly root: string;
  /** How long a job takes about it. */
  readonly seconds: number;
  readonly lines: Lines;
  readonly facts: Facts;
  readonly shutdown: AbortSignal;
}

/**
 * `POST /jobs` starts a job, `GET /jobs/:id/events` streams what happens in it, from wherever the client has been.
 *
 * A job writes a log and knows nothing of who reads it; a stream is a reader of that log. So it makes no difference to
 * the job when a connection drops, and the next connection goes on where the last event ID says.
 */
export function jobsRouter({ root, seconds, lines, facts, shutdown }: JobsOptions): Router {
  const jobs = new Map<string, Job>();

  const start: RequestHandler = (req, res) => {
    if ([...jobs.values()].filter((job) => !job.isOver).length >= MOST_AT_ONCE) {
      return void res.status(503).json({ error: `${MOST_AT_ONCE} jobs are running already. Try again in a moment.` });
    }
    const id = randomBytes(12).toString("base64url");
    const job = new Job();
    jobs.set(id, job);
    forgetOldest(jobs);
    void job.run(root, seconds, facts, shutdown);
    const events = `${req.baseUrl}/${id}/events`;
    // A program that asks for JSON gets the address; `curl -L` is led straight to the stream.
    if (req.get("Accept")?.includes("application/json") === true) res.status(201).location(events).json({ id, events });
    else res.redirect(303, events);
  };

  const find: RequestHandler<{ id: string }> = (req, res, next) => {
    const job = jobs.get(req.params.id);
    if (job === undefined) return void res.status(404).json({ error: "There is no such job." });
    res.locals["job"] = job;
    next();
  };

  const countTurnedAway: RequestHandler<{ id: string }> = (_req, res, next) => {
    const { connections } = jobOf(res);
    res.on("finish", () => {
      if (res.statusCode === 204) connections.turnedAway++;
    });
    next();
  };

  const router = Router();
  router.post("/", start);
  router.get("/:id", find, (_req, res) => {
    const { state, log, connections } = jobOf(res);
    res.json({ state, events: log.length, connections });
  });
  router.get(
    "/:id/events",
    find,
    lines.hold(keyOf),
    countTurnedAway,
    eventStream(
      (connection) => {
        const job = jobOf(connection.native.res);
        const { lastEventId, resume, signal } = connection;
        job.connections.opened++;
        if (resume === "resumed") job.connections.resumed++;
        whileOpen(facts, connection);
        return job.read(lastEventId, signal);
      },
      { retry: 1000 },
    ),
  );
  router.post("/:id/drop", find, (req, res) => void res.json({ dropped: lines.cut(keyOf(req)) }));
  return router;
}

class Job {
  /** What has happened; an event's id is its place, counted from 1. Bounded, as the steps of `hashTree` are. */
  readonly log: ServerSentEvent[] = [];
  readonly connections = { opened: 0, resumed: 0, turnedAway: 0 };
  state: "running" | "finished" | "failed" = "running";

  readonly #bell = new EventEmitter().setMaxListeners(0);

  get isOver(): boolean {
    return this.state !== "running";
  }

  /** Never rejects: what goes wrong is an entry of the log. */
  async run(root: string, seconds: number, facts: Facts, signal: AbortSignal): Promise<void> {
    let filesDone = 0;
    try {
      for await (const step of hashTree(root, { seconds, signal })) {
        if (step.event === "progress") {
          facts.filesHashed += step.data.filesDone - filesDone;
          filesDone = step.data.filesDone;
        }
        if (step.event === "finished") this.state = "finished";
        this.#append(step);
      }
    } catch (error) {
      if (!signal.aborted) console.error("A job failed:", error);
      this.state = "failed";
      const message = signal.aborted ? "The server is shutting down, and the job with it." : "The job failed.";
      this.#append({ event: "failed", data: { message } });
    }
  }

  /** Yields what came after `lastEventId` and what comes, until the job is over. */
  async *read(lastEventId: string | undefined, signal: AbortSignal): AsyncGenerator<ServerSentEvent> {
    let position = this.#positionOf(lastEventId);
    for (;;) {
      const event = this.log[position];
      if (event !== undefined) {
        position++;
        yield event;
      } else if (this.isOver) {
        return;
      } else {
        await once(this.#bell, "append", { signal });
      }
    }
  }

  #append(event: ServerSentEvent): void {
    this.log.push({ ...event, id: String(this.log.length + 1) });
    this.#bell.emit("append");
  }

  /** The id comes from the client: anything that is no place in this log means from the start. */
  #positionOf(lastEventId: string | undefined): number {
    if (lastEventId === undefined || !/^[1-9]\d*$/.test(lastEventId)) return 0;
    const position = Number(lastEventId);
    return position <= this.log.length ? position : 0;
  }
}

/** For who may cut the streams of a job. */
function keyOf({ params }: { readonly params: { readonly id: string } }): string {
  return `job ${params.id}`;
}

function jobOf(res: { readonly locals: Record<string, unknown> }): Job {
  return res.locals["job"] as Job;
}

function forgetOldest(jobs: Map<string, Job>): void {
  for (const [id, job] of jobs) {
    if (jobs.size <= MOST_REMEMBERED) return;
    if (job.isOver) jobs.delete(id);
  }
}
