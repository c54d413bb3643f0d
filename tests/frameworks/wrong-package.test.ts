import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import { eventStream as bun } from "@sluice/adapter-bun";
import { eventStream as deno } from "@sluice/adapter-deno";
import { eventStream as cloudflare } from "@sluice/adapter-edge/cloudflare";
import { eventStream as vercel } from "@sluice/adapter-edge/vercel";
import { eventStream as express } from "@sluice/adapter-express";
import { eventStream as fastify } from "@sluice/adapter-fastify";
import { eventStream as koa } from "@sluice/adapter-koa";
import { eventStream as node } from "@sluice/adapter-node";
import { eventStream as core } from "@sluice/core";
import { serveNode } from "@sluice/testkit";
import Express from "express";
import type { ErrorRequestHandler } from "express";
import { fastify as Fastify } from "fastify";
import Koa from "koa";
import { expect, onTestFinished, test, vi } from "vitest";

/** Anything, as somebody passes it whose compiler does not mind. */
type Handler = (...args: never[]) => unknown;

const source = (): never[] => [];

const handlers: Readonly<Record<string, Handler>> = {
  "@sluice/core": core(source),
  "@sluice/adapter-node": node(source),
  "@sluice/adapter-express": express(source),
  "@sluice/adapter-koa": koa(source),
  "@sluice/adapter-fastify": fastify(source),
  "@sluice/adapter-bun": bun(source),
  "@sluice/adapter-deno": deno(source),
  "@sluice/adapter-edge/cloudflare": cloudflare(source),
  "@sluice/adapter-edge/vercel": vercel(source),
};

/** Frameworks, the packages whose handlers they take, and how a handler is mounted; `caught` is told what they catch. */
const frameworks: Readonly<
  Record<
    string,
    { readonly fits: readonly string[]; mount(handler: Handler, caught: (error: unknown) => void): Promise<Server> }
  >
> = {
  Node: {
    fits: ["@sluice/adapter-node", "@sluice/adapter-express"],
    mount: async (handler, caught) => {
      vi.spyOn(console, "error").mockImplementation((_, error) => caught(error));
      return createServer(handler as unknown as RequestListener);
    },
  },
  Express: {
    fits: ["@sluice/adapter-express", "@sluice/adapter-node"],
    mount: async (handler, caught) => {
      const app = Express();
      app.get("/", handler as never);
      const onError: ErrorRequestHandler = (error, _req, res, _next) => {
        caught(error);
        res.sendStatus(500);
      };
      app.use(onError);
      return createServer(app);
    },
  },
  Koa: {
    fits: ["@sluice/adapter-koa"],
    mount: async (handler, caught) => {
      const app = new Koa();
      app.use(handler as never);
      app.on("error", caught);
      return createServer(app.callback());
    },
  },
  Fastify: {
    fits: ["@sluice/adapter-fastify"],
    mount: async (handler, caught) => {
      let listener!: RequestListener;
      const app = Fastify({
        serverFactory: (handle) => {
          listener = handle;
          return createServer(handle);
        },
      });
      app.get("/", handler as never);
      app.setErrorHandler((error, _request, reply) => {
        caught(error);
        return reply.code(500).send();
      });
      await app.ready();
      onTestFinished(() => app.close());
      return createServer(listener);
    },
  },
};

for (const [framework, { fits, mount }] of Object.entries(frameworks)) {
  for (const [name, handler] of Object.entries(handlers)) {
    if (fits.includes(name)) continue;
    test(`${framework} with the handler of ${name}: the error names the package, and the request is answered`, async () => {
      const errors: unknown[] = [];
      onTestFinished(() => void vi.restoreAllMocks());
      const { url, close } = await serveNode(await mount(handler, (error) => errors.push(error)));
      onTestFinished(close);
      const response = await fetch(url);
      expect(response.status).toBe(500);
      expect(errors).toMatchObject([
        {
          name: "SluiceError",
          code: "invalid-state",
          message: expect.stringMatching(new RegExp(`handler is of ${name} .*; import eventStream from ${fits[0]}$`)),
        },
      ]);
    });
  }
}

const request = new Request("http://localhost/");

test.for<[string, readonly unknown[], RegExp]>([
  ["Hono", [{ req: { raw: request }, env: {}, header() {} }, () => {}], /a Hono context; .*pass c\.req\.raw$/],
  ["h3 2", [{ req: request, res: {} }], /pass event\.req$/],
  ["Elysia, SvelteKit, Astro and others", [{ request, set: {} }], /pass its request$/],
  [
    "h3 1",
    [{ node: { req: {}, res: { setHeader() {}, end() {} } } }],
    /an H3 event; .*pass event\.node\.req and event\.node\.res$/,
  ],
  ["nobody", [], /was given nothing; /],
  ["a mistake", ["GET /"], /was given "GET \/"; /],
])("a handler that is called by %s says what to pass", ([, args, message]) => {
  for (const handler of Object.values(handlers)) {
    expect(() => (handler as (...given: readonly unknown[]) => unknown)(...args)).toThrow(message);
  }
});

test.for<[string, readonly unknown[], string]>([
  ["Bun", [request, { timeout() {}, requestIP: () => null }], "@sluice/adapter-bun"],
  ["Deno", [request, { completed: Promise.resolve() }], "@sluice/adapter-deno"],
  ["Cloudflare", [request, {}, { waitUntil() {} }], "@sluice/adapter-edge/cloudflare"],
  ["who has a Request alone", [request], "@sluice/core"],
])("a handler of another platform that is called by %s names the package", ([, args, right]) => {
  const takeRequests = ["@sluice/core", "@sluice/adapter-edge/vercel"];
  for (const [name, handler] of Object.entries(handlers)) {
    if (name === right || takeRequests.includes(name)) continue;
    expect(() => (handler as (...given: readonly unknown[]) => unknown)(...args)).toThrow(
      `import eventStream from ${right}`,
    );
  }
});
