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

async function resumeOf(stage: Stage, header?: string, lastEventId?: string): Promise<unknown> {
  const client = await stage.read("/resume", {
    headers: { "Last-Event-ID": header },
    query: lastEventId === undefined ? {} : { lastEventId },
  });
  return JSON.parse(client.events[0]?.data ?? "null");
}
