import { eventStream } from "@sluice/adapter-edge/cloudflare";
import type { PublishedEvent } from "@sluice/core";
import type { Channel } from "./channel.ts";

export { Channel } from "./channel.ts";

interface Env {
  readonly CHANNELS: DurableObjectNamespace<Channel>;
  /** What publishers have to show: `npx wrangler secret put PUBLISH_TOKEN`. */
  readonly PUBLISH_TOKEN: string;
}

/** A stream that is over at once. A client that is told 500 stops for ever; one whose stream ends comes back. */
const comeBack = eventStream<Env>(() => [], { whenDone: "reconnect" });

export default {
  async fetch(request, env, ctx): Promise<Response> {
    const name = /^\/channels\/([a-z0-9-]{1,64})$/.exec(new URL(request.url).pathname)?.[1];
    if (name === undefined) return new Response("There is /channels/<name>", { status: 404 });
    const channel = env.CHANNELS.getByName(name);
    if (request.method === "POST") return publish(channel, request, env);
    try {
      return await channel.fetch(request);
    } catch (error) {
      console.error(error); // the object was moved or updated at this very moment
      return comeBack(request, env, ctx);
    }
  },
} satisfies ExportedHandler<Env>;

async function publish(channel: DurableObjectStub<Channel>, request: Request, env: Env): Promise<Response> {
  if (request.headers.get("Authorization") !== `Bearer ${env.PUBLISH_TOKEN}`)
    return new Response(null, { status: 401 });
  const key = request.headers.get("Idempotency-Key");
  const producer = key === null ? undefined : { id: key, epoch: 0, seq: 0 };
  const { event, data } = await request.json<PublishedEvent>();
  return Response.json({ id: await channel.publish({ event, data }, producer) }, { status: 201 });
}
