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
  const { handlerFor, paths } = createFixtures(eventStream, ({ res }, json) => res.type("json").end(json), {
    readBody: async ({ req }) => (req.body as unknown) ?? Buffer.concat(await req.toArray()).toString(),
    setHeader: ({ res }, name, value) => (name === "Set-Cookie" ? res.append(name, value) : res.set(name, value)),
  });
  const app = express();
  for (const each of middleware) app.use(each);
  for (const path of paths) app.all(path, handlerFor(path) ?? []);
  return serveNode(createServer(app));
}

function withCookie(_req: express5.Request, res: express5.Response, next: express5.NextFunction): void {
  res.cookie("session", "1");
  next();
}

const inFront = (express: typeof express5): readonly express5.RequestHandler[] => [
  express.text({ limit: "1mb" }),
  express.json(),
  compression(),
  cors({ preflightContinue: true }),
  withCookie,
];

for (const [platform, express] of [
  ["Express 5", express5],
  ["Express 4", express4],
] as const) {
  describe(platform, () => adapterSuite(() => start(express, []), {}, { platform, framework: true, pipelining: true }));

  describe(`${platform} behind body parsers, compression, cors and a cookie`, () =>
    adapterSuite(() => start(express, inFront(express)), {}, { framework: true, pipelining: true }));
}
