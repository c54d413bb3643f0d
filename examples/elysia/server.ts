import { createHub, eventStream } from "@sluice/core";
import { Elysia, t } from "elysia";
import { modelAnswer } from "./model.ts";

const hub = createHub();
const news = hub.channel("news");
const follow = eventStream(news);

const answer = (question: string): ReturnType<typeof eventStream> =>
  eventStream(async function* ({ signal }) {
    for await (const token of modelAnswer(question, signal)) yield { data: { token } };
  });

const app = new Elysia()
  .headers({ "Access-Control-Allow-Origin": "*" })
  .post("/answer", ({ body, request }) => answer(body.question)(request), { body: t.Object({ question: t.String() }) })
  .get("/news", ({ request }) => follow(request))
  .post("/news", async ({ body }) => ({ id: await news.publish({ event: "headline", data: body }) }))
  .listen(Number(process.env["PORT"] ?? 3000));

process.once("SIGTERM", () => {
  void app.stop();
  void hub.close();
});
