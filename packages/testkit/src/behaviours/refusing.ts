import { expect } from "vitest";
import type { Behaviour } from "../adapter-suite.ts";
import { challenge, secret } from "../fixtures.ts";
import type { Stage } from "../stage.ts";

const METHODS = "GET, HEAD, OPTIONS, POST";

/** What a refusal says. */
const aLine = /^Cannot open event stream: [^\n]+\n$/;

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
      expect([accept, client.status, client.text]).toEqual([accept, 406, expect.stringMatching(aLine)]);
    }
    expect(await stage.records()).toEqual([]);
  },

  "answers PUT and DELETE with 405 and the methods there are": async (stage) => {
    for (const method of ["PUT", "DELETE"]) {
      const client = await stage.read("/array", { method });
      expect([method, client.status, client.headers["allow"]]).toEqual([method, 405, METHODS]);
      expect(client.text).toMatch(aLine);
    }
    expect(await stage.records()).toEqual([]);
  },

  "answers OPTIONS, a preflight among them, with 204, the methods and the fixed headers, and runs nothing": async (
    stage,
  ) => {
    const preflight = { Origin: "https://example.com", "Access-Control-Request-Method": "POST", Accept: "*/*" };
    for (const path of ["/challenged", "/otherwise"]) {
      for (const headers of [{}, preflight]) {
        const client = await stage.read(path, { method: "OPTIONS", headers });
        expect([client.status, client.text]).toEqual([204, ""]);
        // A middleware in front may answer preflights by itself.
        if (headers !== preflight) expect(client.headers["allow"]).toBe(METHODS);
        if (path === "/challenged") expect(client.headers["access-control-allow-origin"]).toBe("https://example.com");
        expect(client.headers["www-authenticate"]).toBeUndefined();
      }
    }
    expect(await stage.records()).toEqual([]);
  },

  "sends the fixed headers with every refusal, so that a page of another origin can read its status": async (stage) => {
    const refusals = await Promise.all([
      stage.read("/challenged"),
      stage.read("/challenged", { method: "PUT" }),
      stage.read("/challenged", { headers: { Accept: "application/json" } }),
      stage.read("/challenged", { headers: { "Last-Event-ID": "sluice.end" } }),
    ]);
    expect(refusals.map(({ status }) => status)).toEqual([401, 405, 406, 204]);
    for (const { headers } of refusals) {
      expect(headers["access-control-allow-origin"]).toBe("https://example.com");
      expect(headers["cache-control"]).toBe("no-store");
    }
  },

  "answers with the headers and the body of the error that authorize throws, and HEAD with the headers": async (
    stage,
  ) => {
    const client = await stage.read("/challenged");
    expect([client.status, client.text, client.end]).toEqual([401, challenge.body, "complete"]);
    expect(client.headers).toMatchObject({
      "www-authenticate": challenge.headers["WWW-Authenticate"],
      "content-type": challenge.headers["Content-Type"],
    });
    const head = await stage.read("/challenged", { method: "HEAD" });
    expect([head.status, head.text, head.end]).toEqual([401, "", "complete"]);
    expect(head.headers["www-authenticate"]).toBe(challenge.headers["WWW-Authenticate"]);
  },

  "refuses all the same where the error's headers cannot be sent or its status cannot be read, and tells onError":
    async (stage) => {
      const unsendable = await stage.read("/challenged-badly");
      expect([unsendable.status, unsendable.text]).toEqual([401, expect.stringMatching(aLine)]);
      const unreadable = await stage.read("/authorize-throws-a-trap");
      expect([unreadable.status, unreadable.text]).toEqual([500, expect.stringMatching(aLine)]);
      await stage.until((records) => records.length === 2 && records.every(({ closed }) => closed === "refused"), 2000);
      expect((await stage.records()).map(({ errors }) => errors.length)).toEqual([1, 1]);
    },

  "answers 403 when authorize says no": (stage) => isRefused(stage, "/forbidden", 403, []),

  "answers with the status of the error that authorize throws": (stage) => isRefused(stage, "/unauthorized", 401, []),

  "answers 500 when authorize fails, and says why to onError alone": (stage) =>
    isRefused(stage, "/authorize-throws", 500, [`Error: ${secret}`]),
};

async function isRefused(stage: Stage, path: string, status: number, errors: readonly string[]): Promise<void> {
  const client = await stage.read(path);
  expect([client.status, client.text, client.end]).toEqual([status, expect.stringMatching(aLine), "complete"]);
  expect(client.headers["content-type"]).toBe("text/plain; charset=utf-8");
  expect(JSON.stringify(client.headers) + client.text).not.toMatch(secret);
  expect(client.headers["cache-control"]).toBe("no-store");
  await stage.until(([record]) => record?.closed === "refused", 2000);
  expect(await stage.records()).toMatchObject([{ started: false, pulls: 0, errors }]);
}
