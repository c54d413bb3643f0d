import { eventStream } from "@sluice/core";
import type { Connection, EventStreamOptions, FetchNative, Source } from "@sluice/core";
import { createFixtures } from "@sluice/testkit/fixtures";

interface Context {
  waitUntil: (promise: Promise<unknown>) => void;
}

const contexts = new WeakMap<Request, Context>();

/**
 * Keeps an invocation alive until its connection is over and its source has had a second to clean up: workerd drops it
 * with its client otherwise, `finally` and all.
 */
function keptAlive(
  source: Source<FetchNative>,
  options: EventStreamOptions<FetchNative>,
): ReturnType<typeof eventStream> {
  const keep = ({ native, closed }: Connection<FetchNative>): void => {
    const cleanUp = closed.then(() => new Promise((resolve) => setTimeout(resolve, 1000)));
    contexts.get(native.request)?.waitUntil(cleanUp);
  };
  const { authorize } = options;
  return eventStream(source, {
    ...options,
    authorize: (connection) => {
      keep(connection);
      return authorize?.(connection);
    },
  });
}

const { handlerFor } = createFixtures(keptAlive, (_, json) => new Response(json));
const notFound = async (): Promise<Response> => new Response(null, { status: 404 });

export default {
  fetch: (request: Request, _env: unknown, context: Context): Promise<Response> => {
    contexts.set(request, context);
    return (handlerFor(request.url) ?? notFound)(request);
  },
};
