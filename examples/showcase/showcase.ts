import { createHub, memoryStore } from "@sluice/core";
import type { Hub } from "@sluice/core";
import { assistantRoutes } from "./assistant.ts";
import { createFacts, tell } from "./facts.ts";
import type { Told } from "./facts.ts";
import type { Tree } from "./hashing.ts";
import { jobsRoutes } from "./jobs.ts";
import { Lines, pagesRoute } from "./lines.ts";
import { liveRoutes } from "./live.ts";
import { logRoutes, ServerLog } from "./log.ts";
import { Machine, machineRoutes } from "./machine.ts";
import type { Probe } from "./machine.ts";
import { Market, marketRoutes, seeded, walk } from "./market.ts";
import type { Mountable } from "./mount.ts";
import { trainNgramModel } from "./ngram.ts";
import type { LanguageModel } from "./ngram.ts";
import { createOpenAiModel } from "./openai.ts";
import { Quiz, quizRoutes } from "./quiz.ts";

/** What the showcase needs of the place where it runs. */
export interface Host {
  /** Such as "Express on Node 24.21.0". */
  readonly platform: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly probe: Probe;
  readonly tree: Tree;
  /** The page's files, and the novel that the model learns from. */
  readonly page: Mountable["page"];
  readonly book: () => Promise<string>;
}

/** All that is to be seen, on no platform yet. */
export interface Showcase extends Mountable {
  readonly model: string;
  /**
   * Says goodbye to all who are connected, one after another over so many ms; resolves when all have left. Then close the
   * server, and at last `close()`.
   */
  drain(within: number): Promise<void>;
  close(): Promise<void>;
}

/** What is told before the first goodbye has so long to arrive, in ms. */
const HEARD = 60;

export async function createShowcase({ platform, env, probe, tree, page, book }: Host): Promise<Showcase> {
  const closing = new AbortController();
  const shutdown = closing.signal;
  const facts = createFacts();
  const lines = new Lines();
  const log = new ServerLog();
  const hub: Hub = createHub({
    // A market that is read in sips leaves many quotes behind: some eighty seconds of them.
    store: memoryStore({ retention: { maxEvents: 20_000 } }),
    maxConnections: 2000,
    observer: log.observer,
  });
  log.writeTo(hub.channel("log"));
  const notices = hub.channel("notices");
  const model = await chooseModel(env, book);
  const quiz = new Quiz(hub.channel("quiz"), shutdown);
  await quiz.start(duration(env["SHOWCASE_QUIZ_SECONDS"], 20) * 1000);
  const seed = Number(env["SHOWCASE_MARKET_SEED"]) || Math.random() * 2 ** 32;
  const market = new Market(hub.channel("market"), walk(seeded(seed)), log, shutdown);
  const told = (): Told => tell(facts, hub, market.report().quotes);
  const machine = new Machine(hub.channel("machine"), probe, told, shutdown);
  const seconds = duration(env["SHOWCASE_JOB_SECONDS"], 14);
  log.write("info", "started", { platform });

  return {
    routes: [
      ...liveRoutes(hub, quiz, machine),
      ...quizRoutes(quiz, facts),
      ...machineRoutes(machine),
      ...marketRoutes(market),
      ...logRoutes(hub.channel("log")),
      ...assistantRoutes(model, facts),
      ...jobsRoutes({ tree, seconds, lines, facts, log, shutdown }),
      pagesRoute(lines),
      { method: "GET", path: "/about", answer: () => Response.json({ platform, model: model.name }) },
    ],
    page,
    hub,
    lines,
    log,
    model: model.name,
    async drain(within) {
      log.write("warn", "draining", { connections: hub.stats().connections, within });
      await notices.publish({ event: "going", data: { within } });
      await new Promise((resolve) => setTimeout(resolve, HEARD));
      await hub.drain({ within });
    },
    async close() {
      closing.abort();
      log.close();
      await hub.close();
    },
  };
}

/** Any endpoint that speaks OpenAI's protocol, where one is given; else the model that has read one book. */
async function chooseModel(env: Host["env"], book: Host["book"]): Promise<LanguageModel> {
  const { OPENAI_BASE_URL: baseUrl, OPENAI_API_KEY: apiKey, OPENAI_MODEL: name } = env;
  if (baseUrl && apiKey) return createOpenAiModel({ baseUrl, apiKey, model: name || "gpt-4o-mini" });
  return trainNgramModel("a small n-gram model of Pride and Prejudice", await book());
}

function duration(asked: string | undefined, usual: number): number {
  const seconds = Number(asked);
  return seconds > 0 && seconds < 3600 ? seconds : usual;
}
