// Imports every package as npm would deliver it and serves one stream with each that can: for the oldest Node that
// users may have, where vitest does not start. Plain JavaScript, as that Node reads no types.
// Called by scripts/test.ts with the folder that holds node_modules/@sluice.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder] = process.argv.slice(2);
const require = createRequire(pathToFileURL(join(folder, "smoke.js")));
const load = (name) => import(pathToFileURL(require.resolve(name)).href);

async function* source() {
  yield { event: "greeting", id: "1", data: { hello: "world" } };
}

// What serves a stream with each package: given its exports, the response to one GET.
const serve = {
  core: ({ eventStream }) => eventStream(source)(new Request("http://localhost/events")),
  "adapter-node": ({ eventStream }) => get(createServer(eventStream(source))),
  "adapter-express": async ({ eventStream }) => {
    const { default: express } = await load("express");
    return get(createServer(express().get("/events", eventStream(source))));
  },
  "adapter-fastify": async ({ eventStream }) => {
    const { fastify } = await load("fastify");
    const app = fastify();
    app.get("/events", eventStream(source));
    await app.ready();
    return get(app.server);
  },
  "adapter-koa": async ({ eventStream }) => {
    const { default: Koa } = await load("koa");
    return get(createServer(new Koa().use(eventStream(source)).callback()));
  },
  "adapter-bun": ({ eventStream }) =>
    eventStream(source)(new Request("http://localhost/events"), { timeout: () => {} }),
  "adapter-deno": ({ eventStream }) =>
    eventStream(source)(new Request("http://localhost/events"), { completed: new Promise(() => {}) }),
  "adapter-edge/cloudflare": ({ eventStream }) =>
    eventStream(source)(new Request("http://localhost/events"), {}, { waitUntil: () => {} }),
  "adapter-edge/vercel": ({ eventStream }) => eventStream(source)(new Request("http://localhost/events")),
};

for (const name of readdirSync(join(folder, "node_modules/@sluice"))) {
  // The kit runs inside vitest only.
  if (name === "testkit") continue;
  // Its backend is a platform of its own: that it loads is all there is to see here.
  if (name === "store-durable-object") {
    await same(name, "durableObjectStore");
    continue;
  }
  const modules = Object.keys(serve).filter((module) => module === name || module.startsWith(`${name}/`));
  assert.notEqual(modules.length, 0, `something is served with @sluice/${name}`);
  for (const module of modules) {
    const response = await serve[module](await same(module, "eventStream"));
    assert.match(response.headers.get("content-type"), /^text\/event-stream/);
    assert.match(await response.text(), /^event: greeting\nid: 1\ndata: \{"hello":"world"\}$/m);
    console.log(`@sluice/${module} serves a stream on Node ${process.version}`);
  }
}

/** The exports of a module, the same by import and by require(). */
async function same(module, name) {
  const exports = await load(`@sluice/${module}`);
  assert.equal(typeof exports[name], "function", `@sluice/${module} exports ${name}`);
  assert.equal(require(`@sluice/${module}`)[name], exports[name], "require() gives the same module");
  return exports;
}

async function get(server) {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const response = await fetch(`http://127.0.0.1:${server.address().port}/events`);
  server.close();
  return response;
}
