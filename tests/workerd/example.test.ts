import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openStream } from "@sluice/testkit/clients";
import type { StreamClient } from "@sluice/testkit/clients";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canRunWorkerd, startWorkerd } from "./start.ts";
import type { Workerd } from "./start.ts";

const folder = fileURLToPath(new URL("../../examples/cloudflare/", import.meta.url));

interface WranglerConfig {
  readonly main: string;
  readonly compatibility_flags: readonly string[];
  readonly durable_objects: { readonly bindings: readonly { readonly name: string; readonly class_name: string }[] };
  readonly migrations: readonly { readonly new_sqlite_classes: readonly string[] }[];
}

describe.runIf(canRunWorkerd())("examples/cloudflare, as its wrangler.jsonc says", () => {
  let workerd: Workerd;
  beforeAll(async () => {
    const config = readWranglerConfig();
    const [object] = config.durable_objects.bindings;
    expect(config.migrations[0]?.new_sqlite_classes).toEqual([object?.class_name]);
    workerd = await startWorkerd({
      entry: folder + config.main,
      className: object?.class_name,
      binding: object?.name,
      flags: config.compatibility_flags,
      vars: { PUBLISH_TOKEN: "secret" },
    });
  });
  afterAll(() => workerd?.close());

  const open = (channel: string, lastEventId?: string): Promise<StreamClient> =>
    openStream(`${workerd.url}/channels/${channel}`, { headers: { "Last-Event-ID": lastEventId } });
  const publish = async (channel: string, data: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${workerd.url}/channels/${channel}`, {
      method: "POST",
      headers: { Authorization: "Bearer secret", ...headers },
      body: JSON.stringify({ data }),
    });

  test("readers of a channel get what is published to it, and to no other", async () => {
    const [one, other, elsewhere] = await Promise.all([open("news"), open("news"), open("weather")]);
    await Promise.all([one, other].map((client) => client.until(isLive)));
    const response = await publish("news", { text: "Water flows" });
    expect(response.status).toBe(201);
    const { id } = (await response.json()) as { id: string };
    for (const client of [one, other]) {
      await client.until(({ events }) => events.length === 2);
      expect(client.events[1]).toEqual({ id, data: '{"text":"Water flows"}' });
      client.leave();
    }
    await elsewhere.ended;
    expect(elsewhere.events.map(({ event }) => event)).toEqual(["sluice.live"]);
  });

  test("while nobody publishes a stream ends soon, and its client comes back to what it missed", async () => {
    const first = await open("quiet");
    expect(await first.ended).toBe("complete");
    expect(first.events.map(({ event }) => event)).toEqual(["sluice.live"]);
    expect(first.reconnectionTime).toBeGreaterThanOrEqual(10_000);
    await publish("quiet", "while it was away");
    const second = await open("quiet", first.events[0]?.id);
    await second.until(isLive);
    expect(second.headers["sluice-resume"]).toBe("resumed");
    expect(second.events[0]).toMatchObject({ data: "while it was away" });
    // Somebody publishes now, so this one stays.
    await new Promise((resolve) => setTimeout(resolve, 2000));
    expect(second.end).toBe(undefined);
    second.leave();
  });

  test("a channel outlives its process", async () => {
    const { id } = (await (await publish("lasting", 1)).json()) as { id: string };
    await workerd.kill();
    await workerd.restart();
    await publish("lasting", 2);
    const client = await open("lasting", id);
    await client.until(isLive);
    expect([client.headers["sluice-resume"], client.events[0]?.data]).toEqual(["resumed", "2"]);
    client.leave();
  });

  test("a publish that is repeated with its key takes effect once, and one without the token none", async () => {
    expect((await publish("paid", 1, { Authorization: "Bearer guess" })).status).toBe(401);
    const ids = new Set<string>();
    for (let attempt = 0; attempt < 3; attempt++) {
      ids.add(((await (await publish("paid", 1, { "Idempotency-Key": "k" })).json()) as { id: string }).id);
    }
    expect(ids.size).toBe(1);
    expect((await open("paid/..%2f")).status).toBe(404);
  });
});

function isLive({ events }: StreamClient): boolean {
  return events.some(({ event }) => event === "sluice.live");
}

/** JSON with whole lines of comments, and commas behind the last of a list. */
function readWranglerConfig(): WranglerConfig {
  const text = readFileSync(`${folder}wrangler.jsonc`, "utf8").replace(/^\s*\/\/.*$/gm, "");
  return JSON.parse(text.replace(/,(\s*[}\]])/g, "$1")) as WranglerConfig;
}
