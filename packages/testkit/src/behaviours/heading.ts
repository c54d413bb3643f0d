import { expect } from "vitest";
import type { Behaviour } from "../adapter-suite.ts";
import { secret } from "../fixtures.ts";

/** What the response's headers say. */
export const heading: Readonly<Record<string, Behaviour>> = {
  "sends the headers of the option headers over its own, and each cookie apart": async (stage) => {
    const { status, headers } = await stage.read("/headers");
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
      "x-fixture": "headers",
    });
    expect(headers["set-cookie"]).toEqual(
      expect.arrayContaining(["theme=dark; Path=/", "size=large; Expires=Wed, 01 Jan 2070 00:00:00 GMT"]),
    );
  },

  "sends each connection the headers that were made for it": async (stage) => {
    const [one, other] = await Promise.all(
      ["one", "other"].map((key) => stage.read("/headers-of-connection", { query: { key } })),
    );
    expect([one?.headers["x-key"], other?.headers["x-key"]]).toEqual(["one", "other"]);
  },

  "answers 500 when its headers cannot be made, and says why to onError alone": async (stage) => {
    const client = await stage.read("/headers-throw");
    expect([client.status, client.end]).toEqual([500, "complete"]);
    expect(JSON.stringify(client.headers) + client.text).not.toMatch(secret);
    await stage.until(([record]) => record?.closed === "refused", 2000);
    expect(await stage.records()).toMatchObject([{ started: false, errors: [`Error: ${secret}`] }]);
  },

  "answers HEAD with the very headers of GET, and with its refusals": async (stage) => {
    const get = await stage.read("/headers");
    const head = await stage.read("/headers", { method: "HEAD" });
    for (const name of ["content-type", "cache-control", "x-accel-buffering", "x-fixture", "set-cookie"]) {
      expect([name, head.headers[name]]).toEqual([name, get.headers[name]]);
    }
    expect([head.status, head.text]).toEqual([200, ""]);
    const refused = await stage.read("/forbidden", { method: "HEAD" });
    expect([refused.status, refused.text]).toEqual([403, ""]);
    expect((await stage.records()).filter(({ started }) => started)).toHaveLength(1);
  },
};

/** The same beside a framework's; shown only where there is one. */
export const headingBesideFramework: Readonly<Record<string, Behaviour>> = {
  "keeps the headers and cookies that the framework has set": async (stage) => {
    const { status, headers, events } = await stage.read("/framework");
    expect(status).toBe(200);
    expect(headers["access-control-allow-origin"]).toBe("https://example.com");
    expect(headers["x-request-id"]).toBe("42");
    expect(headers["set-cookie"]).toContain("session=1");
    expect(events).not.toEqual([]);
  },

  "says what the body is and how it may be kept, whatever the framework has said of it": async (stage) => {
    const client = await stage.read("/framework");
    expect(client.headers["content-type"]).toBe("text/event-stream; charset=utf-8");
    expect(client.headers["cache-control"]).toBe("no-store, no-transform");
    expect(client.headers["content-length"]).toBeUndefined();
    expect([client.end, client.events.at(-1)?.event]).toEqual(["complete", "sluice.end"]);
  },

  "sends the option headers over the framework's of the same name, and adds its cookies to the framework's": async (
    stage,
  ) => {
    const { headers } = await stage.read("/framework");
    expect([headers["x-both"], headers["x-stream"]]).toEqual(["the stream", "yes"]);
    expect(headers["set-cookie"]).toEqual(expect.arrayContaining(["session=1", "theme=dark"]));
  },

  "keeps the framework's headers when it refuses, so that a page of another origin can see why": async (stage) => {
    const { status, headers, text, end } = await stage.read("/framework-refuses");
    expect([status, text, end]).toEqual([403, expect.stringContaining("Cannot open"), "complete"]);
    expect(headers["content-type"]).toBe("text/plain; charset=utf-8");
    expect(headers["access-control-allow-origin"]).toBe("https://example.com");
    expect(headers["cache-control"]).toBe("no-store");
  },
};
