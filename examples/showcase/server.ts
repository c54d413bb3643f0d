import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join, resolve } from "node:path";
import express from "express";
import type { ErrorRequestHandler } from "express";
import { assistantRouter } from "./assistant.ts";
import { createFacts, factsRouter } from "./facts.ts";
import { jobsRouter } from "./jobs.ts";
import { listen, stopOnSignal } from "./listen.ts";
import { trainNgramModel } from "./ngram.ts";
import type { LanguageModel } from "./ngram.ts";
import { createOpenAiModel } from "./openai.ts";
import { pageRouter, securityHeaders } from "./page.ts";

const { env } = process;
const closing = new AbortController();
const shutdown = closing.signal;
const facts = createFacts();
const model = await chooseModel();

const app = express();
app.disable("x-powered-by");
app.use(securityHeaders);
app.use("/assistant", assistantRouter(model, facts, shutdown));
app.use("/jobs", jobsRouter({ root: resolve(import.meta.dirname, "../.."), seconds: jobSeconds(), facts, shutdown }));
app.use("/facts", factsRouter(facts, shutdown));
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

console.log(`
  Sluice  ${url}

  The assistant speaks as ${model.name}. The same two streams, without a browser:

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

function jobSeconds(): number {
  const seconds = Number(env["SHOWCASE_JOB_SECONDS"]);
  return seconds > 0 && seconds < 3600 ? seconds : 14;
}
