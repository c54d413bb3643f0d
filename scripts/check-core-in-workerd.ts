// Loads core's build in workerd, without Node compatibility: it has to run wherever there are Web Streams and nothing
// else. workerd resolves no bare specifier and has no `node:` module here, so an import of either fails to load.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Miniflare } from "miniflare";
import { root } from "./command.ts";
import { importsOf } from "./imports.ts";

const dist = join(root, "packages/core/dist");
const files = globSync("**/*.js", { cwd: dist });
if (files.length === 0) throw new Error("Cannot check core's build: there is none; run `pnpm build`");

for (const file of files) {
  for (const specifier of importsOf(join(dist, file))) {
    if (!specifier.startsWith("./"))
      throw new Error(`core's ${file} imports ${specifier}: only modules of core may be`);
  }
}

// Every module is imported, not only those that index.js reaches; then an event goes through encoder and decoder.
const worker = `
${files.map((file) => `import "./${file}";`).join("\n")}
import { decodeEventStream, encodeEvent } from "./index.js";

const event = { event: "greeting", id: "7", data: "héllo\\nworld" };

export default {
  async fetch() {
    const seen = [];
    for await (const decoded of decodeEventStream(new Response(encodeEvent(event)).body)) seen.push(decoded);
    return Response.json({ sent: [event], seen, node: typeof process !== "undefined" });
  },
};
`;

const workerd = new Miniflare({
  compatibilityDate: "2026-07-01",
  modules: [
    { type: "ESModule", path: "check.js", contents: worker },
    ...files.map((file) => ({ type: "ESModule" as const, path: file, contents: readFileSync(join(dist, file)) })),
  ],
});
try {
  const response = await workerd.dispatchFetch("http://core.test/");
  const { sent, seen, node } = (await response.json()) as { sent: object[]; seen: object[]; node: boolean };
  if (node) throw new Error("workerd has Node's globals here, so this proves nothing");
  if (canonical(seen) !== canonical(sent)) throw new Error(`Sent ${canonical(sent)}, got ${canonical(seen)}`);
  console.log(`${files.length} modules of core run in workerd`);
} finally {
  await workerd.dispose();
}

/** As text, whatever the order of an event's fields. */
function canonical(events: readonly object[]): string {
  return JSON.stringify(events.map((event) => Object.entries(event).toSorted(([a], [b]) => (a < b ? -1 : 1))));
}
