import { eventStream } from "@sluice/core";
import { createFixtures } from "@sluice/testkit/fixtures";

declare const Deno: {
  serve: (
    options: { port: number; hostname: string; onListen: (address: { port: number }) => void },
    handler: (request: Request) => Promise<Response>,
  ) => unknown;
};

const { handlerFor } = createFixtures(eventStream, (_, json) => new Response(json));
const notFound = async (): Promise<Response> => new Response(null, { status: 404 });
Deno.serve(
  { port: 0, hostname: "127.0.0.1", onListen: ({ port }) => console.log(`http://127.0.0.1:${port}`) },
  (request) => (handlerFor(request.url) ?? notFound)(request),
);
