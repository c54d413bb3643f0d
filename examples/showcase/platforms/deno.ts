import { eventStream } from "@sluice/adapter-deno";
import type { DenoInfo } from "@sluice/adapter-deno";
import type { Bind } from "../listen.ts";
import { mount } from "../mount.ts";
import type { Mountable } from "../mount.ts";
import { answerWith } from "../web.ts";

/** What is used of Deno here. */
declare const Deno: {
  serve(
    options: { readonly port: number; readonly hostname: string; readonly onListen: () => void },
    handler: (request: Request, info: DenoInfo) => Promise<Response>,
  ): { readonly addr: { readonly port: number }; shutdown(): Promise<void> };
};

export function onDeno(showcase: Mountable): Bind {
  const answer = mount(showcase, eventStream, ({ request }) => request);
  return async (port, hostname) => {
    const server = Deno.serve({ port, hostname, onListen() {} }, (request, info) =>
      answerWith(answer, request, (handler) => handler(request, info)),
    );
    return { port: server.addr.port, close: () => server.shutdown() };
  };
}
