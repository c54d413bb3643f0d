import { expect, test } from "vitest";
import { createHub, createResponder, eventStream } from "../src/index.ts";
import type { Channel, RespondingWriter } from "../src/index.ts";

/** A client whose socket is full after each write; it takes the next when it is told to. */
function slowClient(channel: Channel): { writes: Uint8Array[]; writer: RespondingWriter } {
  const writes: Uint8Array[] = [];
  const writer = createResponder(channel, { maxWriteBytes: 1000 }).respond(
    { method: "GET", url: new URL("http://localhost/"), headers: new Headers(), native: undefined },
    { buffered: 0, open() {}, write: (bytes) => writes.push(bytes) === 0, end() {}, abort() {} },
  );
  return { writes, writer };
}

test("what was published together is joined once for all, also where it takes many writes and each client its own time", async () => {
  const hub = createHub();
  const channel = hub.channel("c");
  const clients = [slowClient(channel), slowClient(channel)];
  const takeAll = async ({ writes, writer }: (typeof clients)[number], count: number): Promise<void> => {
    await expect
      .poll(() => {
        writer.drained();
        return writes.length;
      })
      .toBe(count);
  };
  // Greeting and cursor.
  for (const client of clients) await takeAll(client, 2);
  for (const { writer } of clients) writer.drained();
  await channel.publish(Array.from({ length: 100 }, () => ({ data: ".".repeat(50) })));
  // One after the other: the second begins when the first has all.
  const written = await Promise.all(
    clients.map(async ({ writes, writer }) => {
      await expect.poll(() => writes.length).toBeGreaterThan(2);
      for (let before = 0; before < writes.length;) {
        before = writes.length;
        writer.drained();
      }
      return writes.slice(2);
    }),
  );
  expect(written[0]?.length).toBeGreaterThan(5);
  written[1]?.forEach((bytes, i) => expect(bytes).toBe(written[0]?.[i]));
  await hub.close();
});

test("whoever transfers what a response gave them takes nothing from others, and finds nothing of theirs in it", async () => {
  const hub = createHub();
  const handle = eventStream(hub.channel("c"), { start: "start" });
  await hub.channel("c").publish({ data: "one" });
  const chunks: string[] = [];
  const read = async (until: string): Promise<ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>> => {
    const { body } = await handle(new Request("http://localhost/"));
    const reader = (body as ReadableStream<Uint8Array<ArrayBuffer>>).getReader();
    for (let text = ""; !text.includes(until);) {
      const { value } = (await reader.read()) as { value: Uint8Array<ArrayBuffer> };
      text += new TextDecoder().decode(value);
      chunks.push(new TextDecoder().decode(value.buffer));
      structuredClone(value, { transfer: [value.buffer] });
    }
    return reader;
  };
  const first = await read("sluice.live");
  await hub.channel("c").publish({ data: "two" });
  expect(new TextDecoder().decode((await first.read()).value?.buffer)).toMatch(/^id: .*\ndata: two\n\n$/);
  const second = await read("sluice.live");
  expect(chunks.join("")).toMatch(/^(?::\nretry: \d+\n|id: .*\n(?:event: .*\n)?data: .*\n\n)+$/);
  expect(chunks.join("").match(/^data: (?:one|two)$/gm)).toEqual(["data: one", "data: one", "data: two"]);
  await Promise.all([first.cancel(), second.cancel(), hub.close()]);
});
