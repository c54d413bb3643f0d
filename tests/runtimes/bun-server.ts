import { eventStream } from "@sluice/core";
import { createFixtures } from "@sluice/testkit/fixtures";

declare const Bun: {
  serve: (options: {
    port: number;
    hostname: string;
    idleTimeout: number;
    fetch: (request: Request) => Promise<Response>;
  }) => { readonly port: number };
};

const { handlerFor } = createFixtures(eventStream, (_, json) => new Response(json));
const notFound = async (): Promise<Response> => new Response(null, { status: 404 });
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  idleTimeout: 0, // seconds; the default of 10 would end a stream between two keep-alive comments
  fetch: (request) => (handlerFor(request.url) ?? notFound)(request),
});
console.log(`http://127.0.0.1:${server.port}`);
