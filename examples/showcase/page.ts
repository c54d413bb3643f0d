import { readFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import express, { Router } from "express";
import type { RequestHandler } from "express";

const HERE = import.meta.dirname;

const FONTS: Readonly<Record<string, string>> = {
  "geist.woff2": import.meta.resolve("@fontsource-variable/geist/files/geist-latin-wght-normal.woff2"),
  "geist-mono.woff2": import.meta.resolve("@fontsource-variable/geist-mono/files/geist-mono-latin-wght-normal.woff2"),
  "newsreader.woff2": import.meta.resolve("@fontsource-variable/newsreader/files/newsreader-latin-opsz-normal.woff2"),
  "newsreader-italic.woff2": import.meta
    .resolve("@fontsource-variable/newsreader/files/newsreader-latin-opsz-italic.woff2"),
};

const CHART: Readonly<Record<string, string>> = {
  "uplot.js": import.meta.resolve("uplot/dist/uPlot.iife.min.js"),
  "uplot.css": import.meta.resolve("uplot/dist/uPlot.min.css"),
};

const SOURCES: readonly string[] = [
  "server.ts",
  "quiz.ts",
  "quiz-questions.ts",
  "machine.ts",
  "lines.ts",
  "assistant.ts",
  "ngram.ts",
  "openai.ts",
  "jobs.ts",
  "hashing.ts",
];

/** The page, its fonts, its chart, and what it imports: Sluice itself. Everything comes from here, nothing from elsewhere. */
export function pageRouter(): Router {
  const router = Router();
  router.use(
    express.static(join(HERE, "public"), {
      cacheControl: false,
      setHeaders: (res) => res.set("Cache-Control", "no-cache"),
    }),
  );
  router.get("/sluice/:file", serveModule);
  router.get("/fonts/:file", servePackaged(FONTS));
  router.get("/chart/:file", servePackaged(CHART));
  router.get("/source/:file", (req, res, next) => {
    if (!SOURCES.includes(req.params.file)) return next();
    res.type("text/plain").sendFile(req.params.file, { root: HERE, cacheControl: false });
  });
  return router;
}

/** Serves files of packages that this one depends on, under names of its own. */
function servePackaged(files: Readonly<Record<string, string>>): RequestHandler<{ file: string }> {
  return (req, res, next) => {
    const url = Object.hasOwn(files, req.params.file) ? files[req.params.file] : undefined;
    if (url === undefined) return next();
    const path = fileURLToPath(url);
    // With a root, so that a folder above it may begin with a dot, as those of package managers do.
    res.sendFile(basename(path), { root: dirname(path), maxAge: "1d" });
  };
}

const CORE = dirname(fileURLToPath(import.meta.resolve("@sluice/core")));

/**
 * Serves a source file of `@sluice/core` as the browser's own module: types are taken out on the way, the rest stays
 * as it is, line by line. So the page decodes with the code that the repository holds, and nothing has been built.
 */
const serveModule: RequestHandler<{ file: string }> = async (req, res, next) => {
  if (!/^[a-z-]+\.ts$/.test(req.params.file)) return next();
  const source = await readFile(join(CORE, req.params.file), "utf8").catch(() => undefined);
  if (source === undefined) return next();
  res.type("text/javascript").set("Cache-Control", "no-cache").send(withoutTypes(source));
};

function withoutTypes(source: string): string {
  // Node calls this function experimental, once, on the terminal of somebody who came to see a demo.
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return stripTypeScriptTypes(source);
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** Nothing from elsewhere, nothing inline, in no frame. */
export const securityHeaders: RequestHandler = (_req, res, next) => {
  res.set({
    "Content-Security-Policy":
      "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; connect-src 'self'; " +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
  });
  next();
};
