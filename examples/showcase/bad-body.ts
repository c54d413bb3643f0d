import type { ErrorRequestHandler } from "express";

/** What the body parser refuses: no JSON, or too much of it. */
export const explainBadBody: ErrorRequestHandler = (error: unknown, _req, res, _next) => {
  const isTooLarge = typeof error === "object" && error !== null && "status" in error && error.status === 413;
  res.status(isTooLarge ? 413 : 400).json({ error: isTooLarge ? "The body is too large." : "The body is not JSON." });
};
