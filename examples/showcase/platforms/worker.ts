import { eventStream } from "@sluice/adapter-edge/cloudflare";
import type { InvocationContext } from "@sluice/adapter-edge/cloudflare";
import { json, mount } from "../mount.ts";
import { createShowcase } from "../showcase.ts";
import type { Host, Showcase as Shown } from "../showcase.ts";
import { answerWith } from "../web.ts";

/** What is used of a binding to another service. */
interface Service {
  fetch(input: string): Promise<Response>;
}

interface Env {
  readonly SHOWCASE: { getByName(name: string): { fetch(request: Request): Promise<Response> } };
  /** The page's files, the repository's, and the novel: a Worker has no disk. */
  readonly PAGE: Service;
  readonly REPOSITORY: Service;
  readonly SETTINGS: Readonly<Record<string, string>>;
  /** Who knows it may stop the showcase. */
  readonly STOP: string;
}

/** Every request goes to the one object in which the hub is: a Worker's own requests may not wait for one another. */
export default {
  fetch: (request: Request, { SHOWCASE }: Env): Promise<Response> => SHOWCASE.getByName("one").fetch(request),
};

/** The hub, and all that publishes in it. Where nobody reads, the platform may forget it: then it begins anew. */
export class Showcase {
  readonly #ctx: InvocationContext;
  readonly #env: Env;
  #running: Promise<{ showcase: Shown; answer: (request: Request) => Promise<Response> }> | undefined;

  constructor(ctx: InvocationContext, env: Env) {
    this.#ctx = ctx;
    this.#env = env;
  }

  async fetch(request: Request): Promise<Response> {
    const { showcase, answer } = await (this.#running ??= this.#start());
    const { pathname, searchParams } = new URL(request.url);
    if (pathname !== `/stop/${this.#env.STOP}`) return answer(request);
    await showcase.drain(Number(searchParams.get("within")));
    await showcase.close();
    return json({ stopped: true });
  }

  async #start(): Promise<{ showcase: Shown; answer: (request: Request) => Promise<Response> }> {
    const showcase = await createShowcase(hostOf(this.#env));
    const answer = mount(showcase, eventStream<Env>, ({ request }) => request);
    return {
      showcase,
      answer: (request) => answerWith(answer, request, (handler) => handler(request, this.#env, this.#ctx)),
    };
  }
}

function hostOf({ PAGE, REPOSITORY, SETTINGS }: Env): Host {
  return {
    platform: "Durable Object, workerd",
    env: SETTINGS,
    // An isolate does not see what it runs on.
    probe: {
      reset() {},
      look: () => ({
        cpu: null,
        load: null,
        cores: null,
        memoryUsed: null,
        memoryTotal: null,
        rss: null,
        loopDelay: null,
      }),
      rest() {},
    },
    tree: {
      async list() {
        return (await REPOSITORY.fetch("http://repository/")).json() as ReturnType<Host["tree"]["list"]>;
      },
      async read(path) {
        const file = await REPOSITORY.fetch(`http://repository/${encodeURIComponent(path)}`);
        return file.ok ? new Uint8Array(await file.arrayBuffer()) : undefined;
      },
    },
    async page(pathname) {
      const file = await PAGE.fetch(`http://page${pathname}`);
      // One that can be given headers.
      return file.status === 404 ? undefined : new Response(file.body, file);
    },
    book: async () => (await PAGE.fetch("http://page/book")).text(),
  };
}
