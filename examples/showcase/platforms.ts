import { listen } from "./listen.ts";
import type { Bind } from "./listen.ts";
import type { Mountable } from "./mount.ts";
import { nodeHost } from "./node-host.ts";
import { createShowcase } from "./showcase.ts";
import type { Runtime } from "./runtime.ts";

/** The showcase on one platform, answering. */
export interface Running {
  readonly url: string;
  /** The language model's name. */
  readonly model: string;
  /** Says goodbye to all who are connected, over so many ms. */
  drain(within: number): Promise<void>;
  /** Ends the rest: then nothing keeps the process alive. */
  close(): Promise<void>;
}

/** A place where the showcase can be seen. */
export interface Platform {
  readonly runtime: Runtime;
  readonly run: () => Promise<Running>;
}

/** By what is written behind `--on`. */
export const PLATFORMS: Readonly<Record<string, Platform>> = {
  express: {
    runtime: "node",
    run: () => run("Express", async () => (await import("./platforms/express.ts")).onExpress),
  },
  koa: { runtime: "node", run: () => run("Koa", async () => (await import("./platforms/koa.ts")).onKoa) },
  fastify: {
    runtime: "node",
    run: () => run("Fastify", async () => (await import("./platforms/fastify.ts")).onFastify),
  },
  node: { runtime: "node", run: () => run("node:http", async () => (await import("./platforms/node.ts")).onNode) },
  bun: { runtime: "bun", run: () => run("Bun.serve", async () => (await import("./platforms/bun.ts")).onBun) },
  deno: { runtime: "deno", run: () => run("Deno.serve", async () => (await import("./platforms/deno.ts")).onDeno) },
  workerd: { runtime: "node", run: async () => (await import("./platforms/workerd.ts")).runOnWorkerd() },
};

async function run(name: string, load: () => Promise<(showcase: Mountable) => Bind>): Promise<Running> {
  const showcase = await createShowcase(nodeHost(`${name}, ${runtimeName()}`));
  const mountOn = await load();
  const { url, close } = await listen(mountOn(showcase), process.env);
  return {
    url,
    model: showcase.model,
    drain: (within) => showcase.drain(within),
    async close() {
      await close();
      await showcase.close();
    },
  };
}

function runtimeName(): string {
  const { bun, deno, node } = process.versions;
  if (bun !== undefined) return `Bun ${bun}`;
  return deno === undefined ? `Node ${node}` : `Deno ${deno}`;
}
