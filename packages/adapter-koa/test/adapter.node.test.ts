import http from "node:http";
import http2 from "node:http2";
import { bodyParser } from "@koa/bodyparser";
import cors from "@koa/cors";
import { eventStream } from "@sluice/adapter-koa";
import type { KoaNative } from "@sluice/adapter-koa";
import { adapterSuite, createFixtures, serveNode } from "@sluice/testkit";
import type { StartedServer } from "@sluice/testkit";
import Koa3 from "koa";
import compress from "koa-compress";
import { createSession } from "koa-session";
import Koa2 from "koa2";
import { afterAll, describe, expect } from "vitest";

/** How long these servers let a connection be idle, in ms: shorter than the default keep-alive. */
const idleLimit = 2000;

async function serve(app: Koa3): Promise<StartedServer> {
  return { ...(await serveNode(http.createServer(app.callback()).setTimeout(idleLimit))), idleLimit };
}

/** The fixtures on an app, behind what apps have in front of their routes. */
function appOf(Koa: typeof Koa3, inFront: (app: Koa3) => void = () => {}): Koa3 {
  const { handlerFor } = createFixtures<KoaNative, Koa3.Middleware>(
    eventStream,
    ({ ctx }, json) => {
      ctx.type = "json";
      ctx.body = json;
    },
    {
      readBody: async ({ ctx }) => ctx["request"].body ?? Buffer.concat(await ctx.req.toArray()).toString(),
      setHeader: ({ ctx }, name, value) => (name === "Set-Cookie" ? ctx.append(name, value) : ctx.set(name, value)),
    },
  );
  const app = new Koa();
  app.keys = ["not a secret"];
  inFront(app);
  app.use((ctx, next) => handlerFor(ctx.url)?.(ctx, next));
  const errors: unknown[] = [];
  app.on("error", (error) => errors.push(error));
  afterAll(() => expect(errors, "nothing that a client does is an error of the app").toEqual([]));
  return app;
}

function everything(app: Koa3): void {
  app.use(cors({ credentials: true }));
  app.use(compress());
  app.use(createSession({ maxAge: "session", rolling: true }, app));
  app.use(bodyParser({ enableTypes: ["json", "text"] }));
  app.use(async (ctx, next) => {
    ctx["session"].user = "ada";
    ctx.cookies.set("theme", "dark");
    const startedAt = performance.now();
    await next();
    ctx.set("X-Response-Time", `${performance.now() - startedAt} ms`);
  });
}

for (const [platform, Koa] of [
  ["Koa 3", Koa3],
  ["Koa 2", Koa2],
] as const) {
  describe(platform, () => adapterSuite(() => serve(appOf(Koa)), {}, { platform, framework: true, pipelining: true }));

  describe(`${platform} behind CORS, compression, a session, a body parser and a clock`, () =>
    adapterSuite(() => serve(appOf(Koa, everything)), {}, { framework: true, pipelining: true }));
}

describe("Koa 3 over HTTP/2", () =>
  adapterSuite(
    () => serveNode(http2.createServer(appOf(Koa3, everything).callback() as never), { http2: true }),
    {},
    { platform: "Koa 3 over HTTP/2", framework: true, http2: true },
  ));
