import { eventStream } from "@sluice/adapter-fastify";
import { fastify } from "fastify";
import type { FastifyReply, FastifyRequest } from "fastify";
import { commandsOf, ours } from "../contender.ts";
import { rawResponses, tellPort } from "./responses.ts";

const [, , name, eventBytes] = process.argv;
const contender = name === "ours" ? ours(eventStream) : rawResponses(hijack);
const command = commandsOf(contender, Number(eventBytes));

const app = fastify();
app.get("/", (request, reply) => contender.stream(request, reply));
app.get("/*", async ({ url }) => command(url));
await app.ready();
tellPort(app.server);

function hijack(_: FastifyRequest, reply: FastifyReply): FastifyReply["raw"] {
  reply.hijack();
  return reply.raw;
}
