import { eventStream } from "@sluice/adapter-deno";
import type { DenoInfo } from "@sluice/adapter-deno";
import { commandsOf, ours, rawStreams } from "../contender.ts";

/** What is used of Deno here. */
declare const Deno: {
  readonly args: readonly string[];
  serve(
    options: { readonly port: number; readonly hostname: string; readonly onListen: (at: { port: number }) => void },
    handler: (request: Request, info: DenoInfo) => Response | Promise<Response>,
  ): unknown;
};

const [name, eventBytes] = Deno.args;
const contender = name === "ours" ? ours(eventStream) : rawStreams();
const command = commandsOf(contender, Number(eventBytes));

Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: ({ port }) => console.log(port) }, async (request, info) => {
  if (new URL(request.url).pathname === "/") return contender.stream(request, info);
  return new Response(await command(request.url));
});
