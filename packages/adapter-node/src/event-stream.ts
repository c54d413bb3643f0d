import { createResponder, refuseCall } from "@sluice/core";
import type { EventStreamOptions, Source } from "@sluice/core";
import type { NodeRequest } from "./exchange.ts";
import { isNodeCall, respondWith } from "./respond-with.ts";
import type { NodeResponse } from "./response-sink.ts";

/** `connection.native` on Node. */
export interface NodeNative {
  readonly req: NodeRequest;
  readonly res: NodeResponse;
}

/** A listener for the `request` event of `node:http`, `node:https` and `node:http2` servers. */
export type NodeHandler = (req: NodeRequest, res: NodeResponse) => void;

/**
 * Makes a request listener that answers with an event stream, written straight to the response.
 *
 * @param source as for `eventStream` of `@sluice/core`
 * @param options as for `eventStream` of `@sluice/core`
 * @throws {SluiceError} at once, `invalid-source` or `invalid-option`
 *
 * @example
 * ```ts
 * import { createServer } from "node:http";
 * import { eventStream } from "@sluice/adapter-node";
 *
 * const server = createServer(eventStream(() => [{ data: "hello" }]));
 * await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
 * const address = server.address();
 * const port = typeof address === "object" ? address?.port : undefined;
 * const text = await (await fetch(`http://127.0.0.1:${port}/`)).text();
 * console.assert(text.includes("data: hello\n\n"));
 * server.close();
 * ```
 */
export function eventStream(source: Source<NodeNative>, options: EventStreamOptions<NodeNative> = {}): NodeHandler {
  const responder = createResponder(source, options);
  return (req, res, ...others: unknown[]) => {
    if (!isNodeCall(req, res)) {
      return refuseCall({ from: "@sluice/adapter-node", takes: "(req, res)" }, [req, res, ...others]);
    }
    respondWith(responder, req, res, { req, res });
  };
}
