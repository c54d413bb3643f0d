import { eventStream } from "@sluice/adapter-bun";
import type { BunServer } from "@sluice/adapter-bun";
import type { Bind } from "../listen.ts";
import { mount } from "../mount.ts";
import type { Mountable } from "../mount.ts";
import { answerWith } from "../web.ts";

/** What is used of Bun here. */
declare const Bun: {
  serve(options: {
    readonly port: number;
    readonly hostname: string;
    readonly fetch: (request: Request, server: BunServer) => Promise<Response>;
  }): { readonly port: number; stop(): Promise<void> };
};

export function onBun(showcase: Mountable): Bind {
  const answer = mount(showcase, eventStream, ({ request }) => request);
  return async (port, hostname) => {
    const server = Bun.serve({
      port,
      hostname,
      fetch: (request, self) => answerWith(answer, request, (handler) => handler(request, self)),
    });
    return { port: server.port, close: () => server.stop() };
  };
}
