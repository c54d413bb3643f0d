// The fixtures in a Worker, but for those of a hub: what many requests read together is not a Worker's to hold.
import { eventStream } from "@sluice/adapter-edge/cloudflare";
import type { InvocationContext } from "@sluice/adapter-edge/cloudflare";
import { createFixtures } from "@sluice/testkit/fixtures";

const { handlerFor } = createFixtures(eventStream, (_, json) => new Response(json));
const notFound = async (): Promise<Response> => new Response(null, { status: 404 });

export default {
  fetch: (request: Request, env: unknown, ctx: InvocationContext): Promise<Response> => {
    const isOfHub = /^\/(channel|publish|seal|drain)/.test(new URL(request.url).pathname);
    const handler = isOfHub ? undefined : handlerFor(request.url);
    return (handler ?? notFound)(request, env, ctx);
  },
};
