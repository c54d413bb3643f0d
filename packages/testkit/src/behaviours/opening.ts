import { expect } from "vitest";
import type { Behaviour } from "../adapter-suite.ts";
import { otherwiseBody } from "../fixtures.ts";

/** How a stream begins. */
export const opening: Readonly<Record<string, Behaviour>> = {
  "sends status, headers, a comment and a reconnection time before there is any event": async (stage) => {
    const client = await stage.open("/silent");
    expect(client.status).toBe(200);
    await client.until(({ comments }) => comments.length > 0);
    expect(client.events).toEqual([]);
    await client.until(({ reconnectionTime }) => reconnectionTime !== undefined);
    expect(client.reconnectionTime).toBeGreaterThanOrEqual(2000);
    expect(client.reconnectionTime).toBeLessThanOrEqual(4000);
  },

  "sends the headers of an event stream that nobody may store, change or hold back": async (stage) => {
    const { headers } = await stage.read("/array");
    expect(headers["content-type"]).toBe("text/event-stream; charset=utf-8");
    expect(headers["cache-control"]).toBe("no-store, no-transform");
    expect(headers["x-accel-buffering"]).toBe("no");
    expect(headers["incremental"]).toBe("?1");
    expect(headers["content-length"]).toBeUndefined();
    expect(headers["content-encoding"]).toBeUndefined();
    // Connection is the platform's own on HTTP/1.1, and illegal on HTTP/2.
    if (stage.server.http2 === true) expect(headers["connection"]).toBeUndefined();
  },

  "answers a client whose Accept has a wildcard for event streams, or none": async (stage) => {
    for (const accept of ["*/*", "text/*", "text/html, */*;q=0.1", "text/event-stream;q=0.5", undefined]) {
      const client = await stage.read("/array", { headers: { Accept: accept } });
      expect([accept, client.status, client.events.length > 0]).toEqual([accept, 200, true]);
    }
  },

  "sends no empty block before the first event or between events, which some readers take for one": async (stage) => {
    const client = await stage.open("/keep-alive");
    await client.until(({ comments }) => comments.length >= 3);
    expect(client.text).toMatch(/^:\nretry: \d+\ndata: ready\n\n(:\n)+$/);
  },

  "answers POST with a stream whatever it accepts, and without a reconnection time": async (stage) => {
    for (const accept of ["application/json", "text/html", "text/event-stream;q=0", "text/event-stream", undefined]) {
      const client = await stage.read("/large", { method: "POST", headers: { Accept: accept } });
      expect([accept, client.status, client.end, client.events.length]).toEqual([accept, 200, "complete", 1]);
      expect(client.headers["content-type"]).toBe("text/event-stream; charset=utf-8");
      expect(client.text.slice(0, 12)).toBe(":\ndata: xxxx");
    }
  },

  "gives clients that do not name event streams to the option otherwise": async (stage) => {
    for (const accept of ["application/json", "*/*", undefined]) {
      const client = await stage.read("/otherwise", { headers: { Accept: accept } });
      expect([accept, client.status, client.text]).toEqual([accept, 200, otherwiseBody]);
      const posted = await stage.read("/otherwise", { method: "POST", headers: { Accept: accept } });
      expect([accept, posted.status, posted.text]).toEqual([accept, 200, otherwiseBody]);
    }
    const client = await stage.read("/otherwise", { headers: { Accept: "application/json;q=0.9, text/event-stream" } });
    expect(client.headers["content-type"]).toMatch("text/event-stream");
    expect(client.events).not.toEqual([]);
  },

  "answers HEAD with the headers alone, and runs nothing": async (stage) => {
    const client = await stage.read("/array", { method: "HEAD" });
    expect(client.status).toBe(200);
    expect(client.headers["content-type"]).toBe("text/event-stream; charset=utf-8");
    expect(client.text).toBe("");
    expect((await stage.records()).filter(({ started }) => started)).toEqual([]);
  },
};
