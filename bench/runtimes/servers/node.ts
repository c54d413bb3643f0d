import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { eventStream } from "@sluice/adapter-node";
import { commandsOf, ours } from "../contender.ts";
import { rawResponses, tellPort } from "./responses.ts";

const [, , name, eventBytes] = process.argv;
const contender = name === "ours" ? ours(eventStream) : rawResponses((_: IncomingMessage, res: ServerResponse) => res);
const command = commandsOf(contender, Number(eventBytes));

tellPort(
  createServer(async (req, res) => {
    if (req.url === "/") contender.stream(req, res);
    else res.end(await command(req.url ?? ""));
  }),
);
