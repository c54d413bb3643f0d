import { createHub, eventStream } from "@sluice/core";
import type { Channel } from "@sluice/core";

interface Shared {
  readonly news: Channel;
  readonly follow: (request: Request) => Promise<Response>;
}

// Once for the process: Next loads this module, and Sluice, once for pages and once for routes, and in development again
// after each change.
const global = globalThis as { sluice?: Shared };
export const { news, follow } = (global.sluice ??= open());

function open(): Shared {
  const hub = createHub();
  const channel = hub.channel("news");
  const stream = eventStream(channel);
  let isStopping = false;
  process.once("SIGTERM", () => {
    isStopping = true;
    void hub.close();
  });
  return {
    news: channel,
    async follow(request) {
      const response = await stream(request);
      // Next stops when its connections are closed, and readers come back over those that they have.
      if (isStopping) response.headers.set("Connection", "close");
      return response;
    },
  };
}
