import type { Hub } from "@sluice/core";
import { pageOf } from "./lines.ts";
import { discreetly } from "./log.ts";
import type { Machine } from "./machine.ts";
import { json } from "./mount.ts";
import type { Route } from "./mount.ts";
import type { Quiz } from "./quiz.ts";

/**
 * `GET /live/events` is what a page holds open: the quiz, the machine, the log and what the server has to say, as one stream
 * with one cursor. `GET /live` gives the state of the quiz and the cursor exactly behind it; the other channels are new
 * to that cursor, and begin with their history.
 */
export function liveRoutes(hub: Hub, quiz: Quiz, machine: Machine): readonly Route[] {
  const group = hub.channels(["quiz", "machine", "log", "notices"]);
  const told = hub.channels(["quiz"]);
  return [
    {
      method: "GET",
      path: "/live",
      answer: async () => json({ ...(await quiz.snapshot(() => told.position())), now: Date.now() }),
    },
    {
      method: "GET",
      path: "/live/events",
      options: { ...discreetly, start: { last: 120 }, retry: [500, 1500] },
      lineOf: pageOf,
      open: (visit) => (connection) => {
        quiz.addReader(pageOf(visit), connection.closed);
        machine.addReader(connection.closed);
        return group;
      },
    },
  ];
}
