import { createServer } from "node:http";
import { eventStream } from "@sluice/adapter-koa";
import Koa from "koa";
import type { Context } from "koa";
import { commandsOf, ours } from "../contender.ts";
import { rawResponses, tellPort } from "./responses.ts";

const [, , name, eventBytes] = process.argv;
const contender = name === "ours" ? ours(eventStream) : rawResponses(takeOver);
const command = commandsOf(contender, Number(eventBytes));

const app = new Koa();
// Of the raw loop's clients that leave.
app.silent = true;
app.use(async (ctx, next) => {
  if (ctx.path === "/") await contender.stream(ctx, next);
  else ctx.body = await command(ctx.url);
});
tellPort(createServer(app.callback()));

function takeOver(ctx: Context): Context["res"] {
  ctx.respond = false;
  return ctx.res;
}
