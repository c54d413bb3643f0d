// Started by the tests, in Deno: a server that three clients read ends as a deployment ends it, and its process with it.
import { eventStream } from "@sluice/adapter-deno";
import { createHub } from "@sluice/core";

const hub = createHub();
const server = Deno.serve(
  { port: 0, hostname: "127.0.0.1", onListen: () => {} },
  eventStream(hub.channel("news"), { authorize: async () => true }),
);

const clients = [1, 2, 3].map(async () => (await fetch(`http://127.0.0.1:${server.addr.port}`)).text());
while (hub.stats().connections < clients.length) await new Promise((resolve) => setTimeout(resolve, 10));

await hub.drain({ within: 200 });
await server.shutdown();
await hub.close();

const texts = await Promise.all(clients);
console.log(JSON.stringify(texts.map((text) => text.includes("retry: "))));
