// What runs inside the Edge runtime: the fixtures of the suite.
import { eventStream } from "@sluice/adapter-edge/vercel";
import { createFixtures } from "@sluice/testkit/fixtures";

interface FetchEvent extends Event {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

const { handlerFor } = createFixtures(eventStream, (_, json) => new Response(json));
const notFound = async (): Promise<Response> => new Response(null, { status: 404 });

addEventListener("fetch", (event) => {
  const { request } = event as FetchEvent;
  (event as FetchEvent).respondWith((handlerFor(request.url) ?? notFound)(request));
});
