import { eventStream } from "@sluice/adapter-bun";
import type { BunServer } from "@sluice/adapter-bun";
import { commandsOf, ours, rawStreams } from "../contender.ts";

/** What is used of Bun here. */
declare const Bun: {
  serve(options: {
    readonly port: number;
    readonly hostname: string;
    readonly idleTimeout: number;
    readonly fetch: (request: Request, server: BunServer) => Response | Promise<Response>;
  }): { readonly port: number };
};

const [, , name, eventBytes] = process.argv;
const contender = name === "ours" ? ours(eventStream) : rawStreams();
const command = commandsOf(contender, Number(eventBytes));

const { port } = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  // The raw loop's connections wait for their turn.
  idleTimeout: 0,
  async fetch(request, server) {
    if (new URL(request.url).pathname === "/") return contender.stream(request, server);
    return new Response(await command(request.url));
  },
});
console.log(port);
