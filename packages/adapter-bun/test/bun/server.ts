// Started by the tests, in Bun.
import { eventStream } from "@sluice/adapter-bun";
import { createHub } from "@sluice/core";
import { createFixtures } from "@sluice/testkit/fixtures";

const { handlerFor } = createFixtures(eventStream, (_native, json) => new Response(json));

const hub = createHub();
const crowd = hub.channel("crowd");

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  // In seconds. Bun looks every four, so what has no stream goes after that. The default is 10.
  idleTimeout: 1,
  routes: {
    "/crowd": eventStream(crowd, { writeDeadline: false }),
    // A megabyte for every reader of `/crowd`, in events of 16 KiB.
    "/crowd/publish": async () => {
      const data = "x".repeat(16_384);
      await crowd.publish(Array.from({ length: 64 }, () => ({ data })));
      return new Response();
    },
    "/memory": () => {
      Bun.gc(true);
      return Response.json({ rss: process.memoryUsage.rss(), connections: hub.stats().connections });
    },
    "/page": () => new Response("a page"),
  },
  fetch(request, self) {
    const handler = handlerFor(request.url);
    return handler === undefined ? new Response(null, { status: 404 }) : handler(request, self);
  },
});
console.log(`http://127.0.0.1:${server.port}`);
