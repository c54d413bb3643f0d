import { expect } from "vitest";
import type { Behaviour } from "../adapter-suite.ts";
import type { Stage } from "../stage.ts";

/** How the last event ID reaches the source. */
export const resuming: Readonly<Record<string, Behaviour>> = {
  "takes the last event ID from the header": async (stage) => {
    expect(await resumeOf(stage, "41")).toEqual({ resume: "resumed", lastEventId: "41" });
  },

  "takes the last event ID from the query": async (stage) => {
    expect(await resumeOf(stage, undefined, "größe/42")).toEqual({ resume: "resumed", lastEventId: "größe/42" });
  },

  "believes the header before the query": async (stage) => {
    expect(await resumeOf(stage, "41", "42")).toEqual({ resume: "resumed", lastEventId: "41" });
  },

  "takes the last event ID from the query in each of its common spellings": async (stage) => {
    for (const name of ["lastEventID", "last-event-id", "Last-Event-ID", "last_event_id", "evs_last_event_id"]) {
      expect([name, await resumeOf(stage, undefined, "42", name)]).toEqual([
        name,
        { resume: "resumed", lastEventId: "42" },
      ]);
    }
  },

  "takes an ID that is sent twice, or that a proxy has joined, for that ID": async (stage) => {
    const resumed = { resume: "resumed", lastEventId: "41" };
    expect(await resumeOf(stage, ["41", "41"])).toEqual(resumed);
    expect(await resumeOf(stage, ["41", "41", "41"])).toEqual(resumed);
    expect(await resumeOf(stage, "41, 41")).toEqual(resumed);
  },

  "takes none for fresh": async (stage) => {
    expect(await resumeOf(stage)).toEqual({ resume: "fresh", lastEventId: null });
  },

  "takes an ID that is not ASCII, as browsers send it, as UTF-8": async (stage) => {
    const id = "größe-ключ-日本語-🎉";
    expect(await resumeOf(stage, Buffer.from(id).toString("latin1"))).toEqual({ resume: "resumed", lastEventId: id });
  },

  "takes an ID that is too long, broken or has control characters for unknown, and passes nothing of it on": async (
    stage,
  ) => {
    const unknown = { resume: "unknown", lastEventId: null };
    expect(await resumeOf(stage, "x".repeat(257))).toEqual(unknown);
    expect(await resumeOf(stage, "tab\there")).toEqual(unknown);
    expect(await resumeOf(stage, "broken\xff\xfe")).toEqual(unknown);
    expect(await resumeOf(stage, undefined, "line\nbreak")).toEqual(unknown);
    expect(await resumeOf(stage, undefined, "nul\0")).toEqual(unknown);
  },
};

async function resumeOf(
  stage: Stage,
  header?: string | readonly string[],
  queried?: string,
  name = "lastEventId",
): Promise<unknown> {
  const client = await stage.read("/resume", {
    headers: { "Last-Event-ID": header },
    query: queried === undefined ? {} : { [name]: queried },
  });
  return JSON.parse(client.events[0]?.data ?? "null");
}
