// Started by the tests, in Bun: a server that three clients read ends as a deployment ends it, and its process with it.
import { eventStream } from "@sluice/adapter-bun";
import { createHub } from "@sluice/core";

const hub = createHub();
const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: eventStream(hub.channel("news")) });

const clients = [1, 2, 3].map(async () => (await fetch(server.url)).text());
while (hub.stats().connections < clients.length) await Bun.sleep(10);

await hub.drain({ within: 200 });
await server.stop();
await hub.close();

const texts = await Promise.all(clients);
console.log(JSON.stringify(texts.map((text) => text.includes("retry: "))));
