import { fileURLToPath } from "node:url";
import { openStream } from "@sluice/testkit/clients";
import { expect, onTestFinished, test } from "vitest";
import { canRunWorkerd, startWorkerd } from "./start.ts";

test.runIf(canRunWorkerd())("handlers, hubs and stores can be made at the top of a Worker's module", async () => {
  const workerd = await startWorkerd({ entry: fileURLToPath(new URL("workers/module-scope.ts", import.meta.url)) });
  onTestFinished(() => workerd.close());
  const client = await openStream(workerd.url);
  await client.until(({ events }) => events.length === 2);
  expect(client.events.map(({ event, data }) => event ?? data)).toEqual(["hello", "sluice.live"]);
  client.leave();
});
