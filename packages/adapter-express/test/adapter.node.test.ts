import { createServer } from "node:http";
import { eventStream } from "@sluice/adapter-express";
import { adapterSuite, createFixtures, serveNode } from "@sluice/testkit";
import type { StartedServer } from "@sluice/testkit";
import compression from "compression";
import cors from "cors";
import express5 from "express";
import express4 from "express4";
import { describe } from "vitest";

/** The fixtures on an app, behind what apps have in front of their routes. */
function start(express: typeof express5, middleware: readonly express5.RequestHandler[]): Promise<StartedServer> {
  const { handlerFor, paths } = createFixtures(eventStream, ({ res }, json) => res.type("json").end(json));
  const app = express();
  for (const each of middleware) app.use(each);
  for (const path of paths) app.all(path, handlerFor(path) ?? []);
  return serveNode(createServer(app));
}

function withCookie(_req: express5.Request, res: express5.Response, next: express5.NextFunction): void {
  res.cookie("session", "1");
  next();
}

describe("Express 5", () => adapterSuite(() => start(express5, [])));

describe("Express 5 behind a body parser, compression, cors and a cookie", () =>
  adapterSuite(() => start(express5, [express5.json(), compression(), cors({ preflightContinue: true }), withCookie])));

describe("Express 4", () => adapterSuite(() => start(express4, [])));

describe("Express 4 behind a body parser, compression, cors and a cookie", () =>
  adapterSuite(() => start(express4, [express4.json(), compression(), cors({ preflightContinue: true }), withCookie])));
