import { createHub, eventStream } from "@sluice/core";
import { Elysia } from "elysia";
import { modelAnswer } from "./model.ts";

const hub = createHub();
const news = hub.channel("news");

const answer = eventStream(async function* ({ native, signal }) {
  const { question } = (await native.request.json()) as { question: string };
  for await (const token of modelAnswer(question, signal)) yield { data: { token } };
});
const follow = eventStream(news);

const app = new Elysia()
  .headers({ "Access-Control-Allow-Origin": "*" })
  .post("/answer", ({ request }) => answer(request), { parse: "none" })
  .get("/news", ({ request }) => follow(request))
  .post("/news", async ({ body }) => ({ id: await news.publish({ event: "headline", data: body }) }))
  .listen(Number(process.env["PORT"] ?? 3000));

process.once("SIGTERM", () => {
  void app.stop();
  void hub.close();
});
