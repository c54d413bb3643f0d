// Checked by the compiler alone: what a source finds in `native` is what Bun passes, with its own types.
import { eventStream } from "@sluice/adapter-bun";

export const listening: Bun.Server<undefined> = Bun.serve({
  routes: {
    "/jobs/:id": eventStream<Bun.Server<undefined>, Bun.BunRequest<"/jobs/:id">>(({ native: { request, server } }) => [
      { data: { id: request.params.id, from: server.requestIP(request)?.address } },
    ]),
    "/inferred/:id": eventStream(({ native }) => [{ data: native.request.params.id, event: native.server.hostname }]),
  },
  fetch: eventStream(({ native }) => [{ data: native.server.pendingRequests }]),
});
