import { createServer } from "node:http";
import { eventStream } from "@sluice/adapter-express";
import express from "express";
import type { Request, Response } from "express";
import { commandsOf, ours } from "../contender.ts";
import { rawResponses, tellPort } from "./responses.ts";

const [, , name, eventBytes] = process.argv;
const contender = name === "ours" ? ours(eventStream) : rawResponses((_: Request, res: Response) => res);
const command = commandsOf(contender, Number(eventBytes));

const app = express();
app.get("/", contender.stream);
app.use(async (req, res) => void res.send(await command(req.url)));
tellPort(createServer(app));
