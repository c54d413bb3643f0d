import { createServer } from "node:http";
import net from "node:net";
import { eventStream } from "@sluice/adapter-node";
import { createDecoder, createHub, memoryStore } from "@sluice/core";
import { serveNode } from "@sluice/testkit";
import { expect, test } from "vitest";

const CLIENTS = 5000;
const BEHIND = 100;

/** A client that keeps what it was sent, until the event whose data is `until`. */
function receive(
  port: number,
  lastEventId: string | undefined,
  until: string,
): Promise<{ ids: string[]; leave(): void }> {
  return new Promise((resolve, reject) => {
    const ids: string[] = [];
    const socket = net.connect(port, "127.0.0.1");
    const decoder = createDecoder({
      onEvent({ id, event, data }) {
        if (event === undefined) ids.push(id as string);
        if (data === until || event === until) resolve({ ids, leave: () => socket.destroy() });
        if (event === "sluice.gap") reject(new Error(`a gap: ${data}`));
      },
    });
    let isBody = false;
    socket.on("data", (chunk) => {
      const text = chunk.toString("latin1");
      const from = isBody ? 0 : text.indexOf("\r\n\r\n") + 4;
      if (!isBody && from === 3) return;
      isBody = true;
      // HTTP/1.0: the body is not chunked.
      decoder.push(text.slice(from));
    });
    socket.on("error", reject);
    const resume = lastEventId === undefined ? "" : `Last-Event-ID: ${lastEventId}\r\n`;
    socket.write(`GET / HTTP/1.0\r\nHost: localhost\r\n${resume}\r\n`);
  });
}

test(`${CLIENTS} clients come back within a second, each ${BEHIND} events behind, and each gets its exact suffix`, async () => {
  const hub = createHub({ store: memoryStore({ retention: { maxEvents: 100_000 } }) });
  const channel = hub.channel("quotes");
  const server = createServer(eventStream(channel));
  const { url, close } = await serveNode(server);
  const port = Number(new URL(url).port);
  const log: string[] = [];
  const publish = async (data: string): Promise<void> => void log.push(await channel.publish({ data }));
  try {
    const all = Array.from({ length: CLIENTS });
    const first = await Promise.all(all.map(() => receive(port, undefined, "sluice.live")));
    await publish("common");
    const seen = log.length;
    for (const { leave } of first) leave();
    for (let n = 0; n < BEHIND; n++) await publish(`missed ${n}`);

    const publishing = (async () => {
      for (let n = 0; n < 100; n++) {
        await publish(`new ${n}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await publish("last");
    })();
    const cursor = log[seen - 1];
    const back = await Promise.all(
      all.map(async (_, i) => {
        await new Promise((resolve) => setTimeout(resolve, (i / CLIENTS) * 1000));
        return receive(port, cursor, "last");
      }),
    );
    await publishing;
    const suffix = log.slice(seen).join();
    expect(back.filter(({ ids }) => ids.join() === suffix).length).toBe(CLIENTS);
    for (const { leave } of back) leave();
  } finally {
    await hub.close();
    await close();
  }
});
