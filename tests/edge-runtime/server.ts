// The fixtures in the Edge runtime, behind its own HTTP handler; a process of its own, as the suite's clients stall it.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { createHandler, EdgeRuntime } from "edge-runtime";
import { build } from "esbuild";

const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL("function.ts", import.meta.url))],
  bundle: true,
  format: "iife",
  target: "es2023",
  write: false,
});
const runtime = new EdgeRuntime({ initialCode: outputFiles[0]?.text ?? "" });
const { handler } = createHandler({ runtime });
// Where a body fails, this handler rejects, having ended the response.
const server = createServer((req, res) => void handler(req, res).catch(() => {}));
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
