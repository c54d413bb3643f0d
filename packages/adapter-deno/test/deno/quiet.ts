// Started by the tests, in Deno: streams that finish, are refused, are left, and are passed on.
import { eventStream } from "@sluice/adapter-deno";

const left = Promise.withResolvers<void>();
const handlers: Readonly<Record<string, (request: Request, info: Deno.ServeHandlerInfo) => Promise<Response>>> = {
  "/finishes": eventStream(() => [{ data: "done" }], { authorize: async () => true }),
  "/forbidden": eventStream(() => [], { authorize: async () => false }),
  "/page": eventStream(() => [], { otherwise: () => new Response("a page") }),
  "/left": eventStream(async ({ closed }) => {
    await closed;
    left.resolve();
  }),
};
const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request, info) =>
  handlers[new URL(request.url).pathname](request, info),
);
const url = `http://127.0.0.1:${server.addr.port}`;

for (const path of ["/finishes", "/forbidden", "/page"]) await (await fetch(url + path)).text();
await (await fetch(`${url}/left`)).body?.cancel();
await left.promise;
await server.shutdown();
