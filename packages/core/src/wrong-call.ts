import { SluiceError, show } from "./errors.ts";

/** Something with properties, perhaps. */
type Loose = Readonly<Record<string, unknown>> | undefined;

/** Whether a value is a `Request` of the Fetch Standard, as far as a handler uses it. */
export function isFetchRequest(value: unknown): value is Request {
  const { url, headers } = (value ?? {}) as { readonly url?: unknown; readonly headers?: Loose };
  return typeof url === "string" && typeof headers?.["get"] === "function";
}

/**
 * Refuses a call of a handler with what is not of its platform: every package has an `eventStream`, and the wrong one is
 * easily imported. For adapters, which look at their arguments first.
 *
 * A bare server of Node has nobody who catches: there the error is written to the console, and the request answered 500.
 *
 * @param handler the package that made the handler, and what it takes
 * @param args what the handler was called with
 * @throws {SluiceError} `invalid-state`, which names the package to import from
 *
 * @example
 * ```ts
 * import { refuseCall } from "@sluice/core";
 *
 * const handler = (request: Request): Promise<Response> =>
 *   request instanceof Request
 *     ? Promise.resolve(new Response())
 *     : refuseCall({ from: "my-adapter", takes: "a Request" }, [request]);
 * const context = { req: { raw: new Request("http://localhost/") } };
 * let message = "";
 * try {
 *   await handler(context as never);
 * } catch (error) {
 *   message = String(error);
 * }
 * console.assert(message.includes("import eventStream from @sluice/core, and pass c.req.raw"));
 * ```
 */
export function refuseCall(
  handler: { readonly from: string; readonly takes: string },
  args: readonly unknown[],
): never {
  const { given, from, pass } = recognise(args);
  const advice = [
    ...(from !== undefined && from !== handler.from ? [`import eventStream from ${from}`] : []),
    ...(pass === undefined ? [] : [`pass ${pass}`]),
  ];
  const todo = advice.length > 0 ? advice.join(", and ") : `import eventStream from the package of your platform`;
  const error = new SluiceError(
    "invalid-state",
    `Cannot answer request: the handler is of ${handler.from} and takes ${handler.takes}, but was given ${given}; ${todo}`,
  );
  const [, res, next] = args as readonly Loose[];
  if (!isNodeResponse(res) || typeof next === "function") throw error;
  console.error("Sluice: a request was not answered:", error);
  answer(res as unknown as NodeResponseLike);
  return undefined as never;
}

/** What was given, by its shape. */
interface Recognised {
  readonly given: string;
  /** The package whose handler takes it, and what of it. */
  readonly from?: string;
  readonly pass?: string;
}

function recognise(args: readonly unknown[]): Recognised {
  const [first, second, third] = args as readonly Loose[];
  const { req, res, request, node, raw } = (first ?? {}) as Record<string, Loose>;
  if (isFetchRequest(first)) return ofFetch(second, third);
  if (req !== undefined && res !== undefined && request !== undefined) {
    return { given: "a Koa context", from: "@sluice/adapter-koa" };
  }
  if (raw !== undefined && second?.["raw"] !== undefined) {
    return { given: "a Fastify request and reply", from: "@sluice/adapter-fastify" };
  }
  if (isNodeResponse(second)) {
    return typeof third === "function"
      ? { given: "req, res and next of Express", from: "@sluice/adapter-express" }
      : { given: "req and res of Node", from: "@sluice/adapter-node" };
  }
  if (isFetchRequest(req?.["raw"])) return { given: "a Hono context", from: "@sluice/core", pass: "c.req.raw" };
  if (isFetchRequest(req)) return { given: "an event with a Request", from: "@sluice/core", pass: "event.req" };
  if (isFetchRequest(request)) return { given: "a context with a Request", from: "@sluice/core", pass: "its request" };
  if (isNodeResponse(node?.["res"] as Loose)) {
    return { given: "an H3 event", from: "@sluice/adapter-node", pass: "event.node.req and event.node.res" };
  }
  return { given: first === undefined ? "nothing" : show(first) };
}

function ofFetch(second: Loose, third: Loose): Recognised {
  if (typeof third?.["waitUntil"] === "function") {
    return { given: "what Cloudflare passes", from: "@sluice/adapter-edge/cloudflare" };
  }
  if (typeof second?.["timeout"] === "function") return { given: "what Bun passes", from: "@sluice/adapter-bun" };
  if (second?.["completed"] instanceof Promise) return { given: "what Deno passes", from: "@sluice/adapter-deno" };
  return { given: "a Request alone", from: "@sluice/core" };
}

interface NodeResponseLike {
  readonly headersSent: boolean;
  statusCode: number;
  end(): void;
}

function isNodeResponse(value: Loose): boolean {
  return typeof value?.["setHeader"] === "function" && typeof value["end"] === "function";
}

function answer(res: NodeResponseLike): void {
  if (!res.headersSent) res.statusCode = 500;
  res.end();
}
