import { serve } from "@hono/node-server";
import { createHub, eventStream } from "@sluice/core";
import { Hono } from "hono";
import { compress } from "hono/compress";
import { cors } from "hono/cors";
import { modelAnswer } from "./model.ts";

const hub = createHub();
const news = hub.channel("news");
const follow = eventStream(news);

const app = new Hono();
app.use(compress(), cors());
app.post("/answer", async (c) => {
  const { question } = await c.req.json<{ question: string }>();
  const answer = eventStream(async function* ({ signal }) {
    for await (const token of modelAnswer(question, signal)) yield { data: { token } };
  });
  return answer(c.req.raw);
});
app.get("/news", (c) => follow(c.req.raw));
app.post("/news", async (c) => c.json({ id: await news.publish({ event: "headline", data: await c.req.json() }) }));

const server = serve({ fetch: app.fetch, port: Number(process.env["PORT"] ?? 3000) });
process.once("SIGTERM", () => {
  server.close();
  // Readers come back over the connections that they have: what they are told there is the last.
  server.prependListener("request", (_, res) => res.setHeader("Connection", "close"));
  void hub.close();
});
