import { fileURLToPath } from "node:url";
import { adapterSuite } from "@sluice/testkit";
import { describe } from "vitest";
import { workerdExceptions, workerExceptions } from "./exceptions.ts";
import { canRunWorkerd, startWorkerd } from "./start.ts";

describe.runIf(canRunWorkerd())("a Worker in workerd", () => {
  adapterSuite(() => startWorkerd({ entry: path("workers/adapter.ts") }), workerExceptions, {
    platform: "Cloudflare Workers",
  });
});

describe.runIf(canRunWorkerd())("a Durable Object in workerd", () => {
  adapterSuite(
    () => startWorkerd({ entry: path("workers/adapter-in-object.ts"), className: "AdapterObject" }),
    workerdExceptions,
    { platform: "Cloudflare Durable Objects" },
  );
});

function path(module: string): string {
  return fileURLToPath(new URL(module, import.meta.url));
}
