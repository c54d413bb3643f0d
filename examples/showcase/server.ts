import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join, resolve } from "node:path";
import { createHub } from "@sluice/core";
import express from "express";
import type { ErrorRequestHandler } from "express";
import { assistantRouter } from "./assistant.ts";
import { createFacts } from "./facts.ts";
import { jobsRouter } from "./jobs.ts";
import { Lines, pagesRouter } from "./lines.ts";
import { listen, stopOnSignal } from "./listen.ts";
import { machineRouter } from "./machine.ts";
import { trainNgramModel } from "./ngram.ts";
import type { LanguageModel } from "./ngram.ts";
import { createOpenAiModel } from "./openai.ts";
import { pageRouter, securityHeaders } from "./page.ts";
import { quizRouter } from "./quiz.ts";

const { env } = process;
const closing = new AbortController();
const shutdown = closing.signal;
const facts = createFacts();
const lines = new Lines();
const hub = createHub();
const model = await chooseModel();

const app = express();
app.disable("x-powered-by");
app.use(securityHeaders);
app.use("/quiz", await quizRouter({ hub, lines, facts, seconds: duration("SHOWCASE_QUIZ_SECONDS", 20), shutdown }));
app.use("/machine", machineRouter({ hub, lines, facts, shutdown }));
app.use("/pages", pagesRouter(lines));
app.use("/assistant", assistantRouter(model, facts, shutdown));
const root = resolve(import.meta.dirname, "../..");
app.use("/jobs", jobsRouter({ root, seconds: duration("SHOWCASE_JOB_SECONDS", 14), lines, facts, shutdown }));
app.use(pageRouter());
app.use((_req, res) => void res.status(404).json({ error: "There is nothing here." }));
app.use(((error: unknown, _req, res, next) => {
  if (res.headersSent) return next(error);
  console.error(error);
  res.status(500).json({ error: "Something went wrong on the server." });
}) satisfies ErrorRequestHandler);

const server = createServer(app);
const url = await listen(server, { host: env["HOST"], port: env["PORT"] });
stopOnSignal(server, closing);
// Whoever reads a channel comes to the end of its stream, and looks for the next server.
shutdown.addEventListener("abort", () => void hub.close());

console.log(`
  Sluice  ${url}

  The assistant speaks as ${model.name}. The same four streams, without a browser:

    curl -N ${url}/quiz/events
    curl -N ${url}/machine/events
    curl -N ${url}/assistant -H 'Content-Type: application/json' -d '{"prompt": "What is pride?"}'
    curl -NL -d '' ${url}/jobs

  Ctrl-C stops it.
`);

/** Any endpoint that speaks OpenAI's protocol, where one is given; else the model that has read one book. */
async function chooseModel(): Promise<LanguageModel> {
  const { OPENAI_BASE_URL: baseUrl, OPENAI_API_KEY: apiKey, OPENAI_MODEL: name } = env;
  if (baseUrl && apiKey) return createOpenAiModel({ baseUrl, apiKey, model: name || "gpt-4o-mini" });
  const book = await readFile(join(import.meta.dirname, "corpus/pride-and-prejudice.txt"), "utf8");
  return trainNgramModel("a small n-gram model of Pride and Prejudice", book);
}

function duration(name: string, usual: number): number {
  const seconds = Number(env[name]);
  return seconds > 0 && seconds < 3600 ? seconds : usual;
}
