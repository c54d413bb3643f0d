import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { build } from "esbuild";
import { Miniflare, Response as Answer } from "miniflare";
import type { Request as Asked } from "miniflare";
import type { Bind } from "../listen.ts";
import { listen } from "../listen.ts";
import { nodeHost } from "../node-host.ts";
import type { Running } from "../platforms.ts";

/** Bundles the Worker, without Node compatibility, and serves it with the runtime that Cloudflare's platform has. */
export async function runOnWorkerd(): Promise<Running> {
  const { page, tree, book, env } = nodeHost("workerd");
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, "worker.ts")],
    bundle: true,
    format: "esm",
    target: "es2023",
    write: false,
    logLevel: "error",
  });
  const STOP = randomUUID();
  const settings = Object.entries(env).filter(([name]) => /^(?:OPENAI|SHOWCASE)_/.test(name));

  async function fileOfPage({ url }: Asked): Promise<Answer> {
    const { pathname } = new URL(url);
    if (pathname === "/book") return new Answer(await book());
    const file = await page(pathname);
    if (file === undefined) return new Answer(null, { status: 404 });
    return new Answer(await file.arrayBuffer(), { headers: Object.fromEntries(file.headers) });
  }

  async function fileOfRepository({ url }: Asked): Promise<Answer> {
    const path = decodeURIComponent(new URL(url).pathname.slice(1));
    if (path === "") return Answer.json(await tree.list(new AbortController().signal));
    const bytes = await tree.read(path);
    return bytes === undefined ? new Answer(null, { status: 404 }) : new Answer(bytes);
  }

  let miniflare: Miniflare | undefined;
  const bind: Bind = async (port, host) => {
    const started = new Miniflare({
      host,
      port,
      modules: true,
      script: outputFiles[0]?.text ?? "",
      compatibilityDate: "2026-07-01",
      compatibilityFlags: ["enable_request_signal"],
      durableObjects: { SHOWCASE: "Showcase" },
      bindings: { SETTINGS: Object.fromEntries(settings) as Record<string, string>, STOP },
      serviceBindings: { PAGE: fileOfPage, REPOSITORY: fileOfRepository },
    });
    miniflare = started;
    // Its own would end the process before the goodbyes have been said.
    for (const signal of ["SIGINT", "SIGTERM"]) process.removeAllListeners(signal);
    const { port: bound } = await started.ready;
    return { port: Number(bound), close: () => started.dispose() };
  };
  const { url, close } = await listen(bind, env);
  const { model } = (await (await fetch(`${url}/about`)).json()) as { model: string };
  return {
    url,
    model,
    async drain(within) {
      // A terminal's Ctrl-C reaches workerd as well, and it does not wait.
      await miniflare?.dispatchFetch(`${url}/stop/${STOP}?within=${within}`).catch(() => {});
    },
    close,
  };
}
