import { expect } from "vitest";
import type { Behaviour } from "../adapter-suite.ts";
import { secret } from "../fixtures.ts";
import type { Stage } from "../stage.ts";

/** How a client that gets no stream learns of it. */
export const refusing: Readonly<Record<string, Behaviour>> = {
  "answers 406 to a client that does not accept event streams": async (stage) => {
    for (const accept of [
      "application/json",
      "text/event-stream;q=0",
      "*/*, text/event-stream;q=0",
      "text/*;q=0.0, */*",
    ]) {
      const client = await stage.read("/array", { headers: { Accept: accept } });
      expect([accept, client.status, client.text]).toEqual([accept, 406, ""]);
    }
    expect(await stage.records()).toEqual([]);
  },

  "answers OPTIONS, PUT and DELETE with 405 and the methods there are": async (stage) => {
    for (const method of ["OPTIONS", "PUT", "DELETE"]) {
      const client = await stage.read("/array", { method });
      expect([method, client.status, client.headers["allow"]]).toEqual([method, 405, "GET, HEAD, POST"]);
    }
    expect(await stage.records()).toEqual([]);
  },

  "answers 403 when authorize says no": (stage) => isRefused(stage, "/forbidden", 403, []),

  "answers with the status of the error that authorize throws": (stage) => isRefused(stage, "/unauthorized", 401, []),

  "answers 500 when authorize fails, and says why to onError alone": (stage) =>
    isRefused(stage, "/authorize-throws", 500, [`Error: ${secret}`]),
};

async function isRefused(stage: Stage, path: string, status: number, errors: readonly string[]): Promise<void> {
  const client = await stage.read(path);
  expect([client.status, client.text, client.end]).toEqual([status, "", "complete"]);
  expect(JSON.stringify(client.headers)).not.toMatch(secret);
  expect(client.headers["cache-control"]).toBe("no-store");
  await stage.until(([record]) => record?.closed === "refused", 2000);
  expect(await stage.records()).toMatchObject([{ started: false, pulls: 0, errors }]);
}
