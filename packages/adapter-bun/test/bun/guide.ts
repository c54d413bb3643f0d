import { eventStream } from "@sluice/adapter-bun";

Bun.serve({
  routes: {
    "/jobs/:id": eventStream(({ native: { request, server } }) => [
      { data: { id: request.params.id, from: server.requestIP(request)?.address } },
    ]),
  },
  fetch: () => new Response(null, { status: 404 }),
});
