import { createHub, eventStream } from "@sluice/core";
import { H3, readBody, serve } from "h3";
import { modelAnswer } from "./model.ts";

const hub = createHub();
const news = hub.channel("news");
const follow = eventStream(news);

const app = new H3();
app.use(({ res }) => res.headers.set("Access-Control-Allow-Origin", "*"));
app.post("/answer", async (event) => {
  const { question = "" } = (await readBody<{ question: string }>(event)) ?? {};
  const answer = eventStream(async function* ({ signal }) {
    for await (const token of modelAnswer(question, signal)) yield { data: { token } };
  });
  return answer(event.req);
});
app.get("/news", ({ req }) => follow(req));
app.post("/news", async ({ req }) => ({ id: await news.publish({ event: "headline", data: await req.json() }) }));

serve(app, { port: Number(process.env["PORT"] ?? 3000), gracefulShutdown: true });
process.once("SIGTERM", () => void hub.close());
