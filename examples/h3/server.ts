import { createHub, eventStream } from "@sluice/core";
import { H3, serve } from "h3";
import { modelAnswer } from "./model.ts";

const hub = createHub();
const news = hub.channel("news");

const answer = eventStream(async function* ({ native, signal }) {
  const { question } = (await native.request.json()) as { question: string };
  for await (const token of modelAnswer(question, signal)) yield { data: { token } };
});
const follow = eventStream(news);

const app = new H3();
app.use(({ res }) => res.headers.set("Access-Control-Allow-Origin", "*"));
app.post("/answer", ({ req }) => answer(req));
app.get("/news", ({ req }) => follow(req));
app.post("/news", async ({ req }) => ({ id: await news.publish({ event: "headline", data: await req.json() }) }));

serve(app, { port: Number(process.env["PORT"] ?? 3000), gracefulShutdown: true });
process.once("SIGTERM", () => void hub.close());
