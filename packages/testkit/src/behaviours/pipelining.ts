import { expect } from "vitest";
import type { Behaviour } from "../adapter-suite.ts";
import { pipeline } from "../client.ts";
import { numberedEvents, otherwiseBody } from "../fixtures.ts";
import type { Stage } from "../stage.ts";

/** What a client gets that does not wait for an answer before it asks again (RFC 9112, section 9.3.2). */
export const pipelining: Readonly<Record<string, Behaviour>> = {
  "runs nothing for requests that are pipelined behind a stream without an end, and lets go of them with their client":
    (stage) => isAlone(stage, "GET"),

  "runs nothing for POST requests that are pipelined behind a stream without an end": (stage) => isAlone(stage, "POST"),

  "answers requests that were pipelined one after another, whole and in their order": async (stage) => {
    const requests = Array.from({ length: 12 }, (_, client) => ({
      url: stage.url("/numbered", { client: `${client}` }),
    }));
    const answer = await pipeline(requests).ended;
    const own = requests.flatMap((_, client) =>
      Array.from({ length: numberedEvents }, (_event, event) => `id: ${client}-${event + 1}`),
    );
    expect(answer.match(/id: \d+-\d+/g)).toEqual(own);
    await stage.until(
      (records) => records.every(({ closed, finallyRan }) => closed === "finished" && finallyRan),
      2000,
    );
  },

  "gives each POST that was pipelined its own body": async (stage) => {
    const requests = Array.from({ length: 5 }, (_, n) => ({
      method: "POST",
      url: stage.url("/body"),
      headers: { "Content-Type": "text/plain" },
      body: `body ${n}`.repeat(1000),
    }));
    const answer = await pipeline(requests).ended;
    expect(answer.match(/data: .*/g)).toEqual(requests.map(({ body }) => `data: ${body}`));
  },

  "passes pipelined requests on that are not for a stream, in their order": async (stage) => {
    const requests = ["application/json", "text/event-stream", "application/json"].map((accept) => ({
      url: stage.url("/otherwise"),
      headers: { Accept: accept },
    }));
    const answer = await pipeline(requests).ended;
    const [first, second, third] = answer.split(/(?=HTTP\/1\.1 )/);
    expect([first, second, third]).toEqual([
      expect.stringContaining(otherwiseBody),
      expect.stringContaining("event: greeting"),
      expect.stringContaining(otherwiseBody),
    ]);
  },
};

async function isAlone(stage: Stage, method: string): Promise<void> {
  const post = { body: "hello", headers: { "Content-Type": "text/plain" } };
  const request = { method, url: stage.url("/quiet"), ...(method === "POST" && post) };
  const client = pipeline(Array.from({ length: 60 }, () => request));
  await client.until("data: ready");
  // Each is answered after those in front of it have come to the server.
  for (let turn = 0; turn < 5; turn++) await stage.records();
  expect(await stage.records()).toHaveLength(1);
  client.leave();
  await stage.until(([record]) => record?.closed === "disconnected" && record.finallyRan, 2500);
  expect(await stage.records()).toHaveLength(1);
}
