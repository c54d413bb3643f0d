import { isNodeCall, respondWith } from "@sluice/adapter-node";
import { createResponder, refuseCall } from "@sluice/core";
import type { EventStreamOptions, Source } from "@sluice/core";
import type { NextFunction, Request, RequestHandler, Response } from "express";

/** `connection.native` in Express. */
export interface ExpressNative {
  readonly req: Request;
  readonly res: Response;
  readonly next: NextFunction;
}

/**
 * Makes an Express handler (4 and 5) that answers with an event stream. Mount it with `get`, `post` or `all`, behind any
 * middleware: parsed bodies, sessions and users are in `connection.native.req`.
 *
 * @param source as for `eventStream` of `@sluice/core`
 * @param options as for `eventStream` of `@sluice/core`; `otherwise: ({ next }) => next()` passes on to the next handler
 * @throws {SluiceError} at once, `invalid-source` or `invalid-option`
 *
 * @example
 * ```ts
 * import express from "express";
 * import { eventStream } from "@sluice/adapter-express";
 *
 * const app = express();
 * app.get(
 *   "/clock",
 *   eventStream(async function* ({ signal }) {
 *     while (!signal.aborted) {
 *       yield { event: "tick", data: { at: Date.now() } };
 *       await new Promise((resolve) => setTimeout(resolve, 1000));
 *     }
 *   }),
 * );
 * ```
 */
export function eventStream(
  source: Source<ExpressNative>,
  options: EventStreamOptions<ExpressNative> = {},
): RequestHandler {
  const responder = createResponder(source, options);
  return (req, res, next) => {
    if (!isNodeCall(req, res)) {
      return refuseCall({ from: "@sluice/adapter-express", takes: "(req, res, next)" }, [req, res, next]);
    }
    const answered = respondWith(responder, req, res, { req, res, next });
    // Express 5 would do this with a promise that is returned; Express 4 would let it float.
    if (answered instanceof Promise) answered.catch(next);
  };
}
