// Started by the tests, in Deno.
import { eventStream } from "@sluice/adapter-deno";
import { createHub } from "@sluice/core";
import { createFixtures } from "@sluice/testkit/fixtures";

const { handlerFor } = createFixtures(eventStream, (_native, json) => new Response(json));

const hub = createHub();
const crowd = hub.channel("crowd");

/** Beside the fixtures, by path. */
const routes: Readonly<Record<string, (request: Request, info: Deno.ServeHandlerInfo) => Promise<Response>>> = {
  "/crowd": eventStream(crowd, { writeDeadline: false }),
  // A megabyte for every reader of `/crowd`, in events of 16 KiB.
  "/crowd/publish": async () => {
    const data = "x".repeat(16_384);
    await crowd.publish(Array.from({ length: 64 }, () => ({ data })));
    return new Response();
  },
  "/memory": async () => Response.json({ rss: Deno.memoryUsage().rss, connections: hub.stats().connections }),
};

const notFound = async (): Promise<Response> => new Response(null, { status: 404 });

Deno.serve(
  { port: 0, hostname: "127.0.0.1", onListen: ({ port }) => console.log(`http://127.0.0.1:${port}`) },
  (request, info) => (handlerFor(request.url) ?? routes[new URL(request.url).pathname] ?? notFound)(request, info),
);
