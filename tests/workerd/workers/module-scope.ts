// What users make at the top of a module, where the platform forbids timers, randomness and I/O.
import { eventStream } from "@sluice/adapter-edge/cloudflare";
import type { InvocationContext } from "@sluice/adapter-edge/cloudflare";
import { createHub, memoryStore } from "@sluice/core";

const hub = createHub({ store: memoryStore({ maxIdle: 60_000, retention: { maxAge: 60_000 } }) });
const channel = hub.channel("news");
const stream = eventStream(channel, { start: "start", maxAge: 60_000 });

export default {
  async fetch(request: Request, env: unknown, ctx: InvocationContext): Promise<Response> {
    await channel.publish({ data: "hello" });
    return stream(request, env, ctx);
  },
};
