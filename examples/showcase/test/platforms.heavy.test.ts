import { visitOn } from "./scenario.ts";

visitOn([
  { name: "koa", says: /^Koa, Node \d/ },
  { name: "fastify", says: /^Fastify, Node \d/ },
  { name: "node", says: /^node:http, Node \d/ },
  { name: "deno", says: /^Deno\.serve, Deno \d/ },
  { name: "workerd", says: /^Durable Object, workerd$/ },
]);
