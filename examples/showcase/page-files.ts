import { readFile } from "node:fs/promises";
import * as nodeModule from "node:module";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = import.meta.dirname;
const CORE = dirname(fileURLToPath(import.meta.resolve("@sluice/core")));

/** Files of packages that this one depends on, under names of its own. */
const PACKAGED: Readonly<Record<string, string>> = {
  "/fonts/geist.woff2": import.meta.resolve("@fontsource-variable/geist/files/geist-latin-wght-normal.woff2"),
  "/fonts/geist-mono.woff2": import.meta
    .resolve("@fontsource-variable/geist-mono/files/geist-mono-latin-wght-normal.woff2"),
  "/fonts/newsreader.woff2": import.meta
    .resolve("@fontsource-variable/newsreader/files/newsreader-latin-opsz-normal.woff2"),
  "/fonts/newsreader-italic.woff2": import.meta
    .resolve("@fontsource-variable/newsreader/files/newsreader-latin-opsz-italic.woff2"),
  "/chart/uplot.js": import.meta.resolve("uplot/dist/uPlot.iife.min.js"),
  "/chart/uplot.css": import.meta.resolve("uplot/dist/uPlot.min.css"),
};

/** What the page links to, for who wants to read it. */
const SOURCES = /^\/source\/((?:platforms\/)?[a-z-]+\.ts)$/;

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".ts": "text/javascript; charset=utf-8",
  ".woff2": "font/woff2",
};

/**
 * The page, its fonts, its chart, and what it imports: Sluice itself. Everything comes from here, nothing from elsewhere.
 *
 * @returns undefined for what is no file of the page
 */
export async function pageFile(pathname: string): Promise<Response | undefined> {
  const packaged = Object.hasOwn(PACKAGED, pathname) ? PACKAGED[pathname] : undefined;
  if (packaged !== undefined) return fileAt(fileURLToPath(packaged), { "Cache-Control": "public, max-age=86400" });
  const [, module] = /^\/sluice\/([a-z-]+\.ts)$/.exec(pathname) ?? [];
  if (module !== undefined) return fileAt(join(CORE, module), {}, withoutTypes);
  const [, source] = SOURCES.exec(pathname) ?? [];
  if (source !== undefined) return fileAt(join(HERE, source), { "Content-Type": "text/plain; charset=utf-8" });
  const [, name = ""] = /^\/([a-z-]+\.(?:css|html|js|svg))$/.exec(pathname === "/" ? "/index.html" : pathname) ?? [];
  return name === "" ? undefined : fileAt(join(HERE, "public", name));
}

async function fileAt(
  path: string,
  headers: Readonly<Record<string, string>> = {},
  change?: (source: string) => string,
): Promise<Response | undefined> {
  const bytes = await readFile(path).catch(() => undefined);
  if (bytes === undefined) return undefined;
  const type = TYPES[extname(path)] ?? "text/plain; charset=utf-8";
  const body = change === undefined ? new Uint8Array(bytes) : change(bytes.toString("utf8"));
  return new Response(body, { headers: { "Content-Type": type, "Cache-Control": "no-cache", ...headers } });
}

/**
 * A source file of `@sluice/core` as the browser's own module: types are taken out on the way, the rest stays as it is. So
 * the page decodes with the code that the repository holds, and nothing has been built.
 */
function withoutTypes(source: string): string {
  const { Bun } = globalThis as { readonly Bun?: BunTranspiler };
  if (Bun !== undefined) return new Bun.Transpiler({ loader: "ts" }).transformSync(source);
  // Node calls this function experimental, once, on the terminal of somebody who came to see a demo.
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return nodeModule.stripTypeScriptTypes(source);
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** Bun has its own way of taking types out, and not Node's. */
interface BunTranspiler {
  readonly Transpiler: new (options: { loader: "ts" }) => { transformSync(source: string): string };
}
