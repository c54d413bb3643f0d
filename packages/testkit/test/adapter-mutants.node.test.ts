import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import { eventStream } from "@sluice/adapter-node";
import type { NodeHandler, NodeNative } from "@sluice/adapter-node";
import type { Connection, EventStreamOptions, Source, SourceFunction } from "@sluice/core";
import { createFixtures, serveNode } from "@sluice/testkit";
import type { Behaviour } from "@sluice/testkit";
import { test } from "vitest";
import { channelling } from "../src/behaviours/channelling.ts";
import { delivering } from "../src/behaviours/delivering.ts";
import { ending } from "../src/behaviours/ending.ts";
import { flowing } from "../src/behaviours/flowing.ts";
import { headingBesideFramework } from "../src/behaviours/heading.ts";
import { lettingGo } from "../src/behaviours/leaving.ts";
import { Stage } from "../src/stage.ts";

interface Mutant {
  readonly eventStream?: (source: Source<NodeNative>, options: EventStreamOptions<NodeNative>) => NodeHandler;
  readonly setHeader?: (native: NodeNative, name: string, value: string) => void;
  readonly idleLimit?: number;
}

const held: Connection[] = [];

/** Adapters with one mistake each, by the behaviour that they must not show. */
const mutants: readonly (readonly [
  mistake: string,
  topic: Readonly<Record<string, Behaviour>>,
  shown: RegExp,
  Mutant,
])[] = [
  [
    "holds every connection for good",
    lettingGo,
    /^lets go of all/,
    { eventStream: around((connection, source) => (held.push(connection), source(connection))) },
  ],
  [
    "gives all connections the events of the first",
    delivering,
    /^gives each of a hundred connections its own/,
    {
      eventStream: (source, options) => {
        let first: Connection<NodeNative> | undefined;
        return around((connection, call) =>
          call(Object.assign(Object.create(connection), { url: (first ??= connection).url })),
        )(source, options);
      },
    },
  ],
  [
    "forgets the framework's headers",
    headingBesideFramework,
    /^keeps the headers and cookies/,
    { setHeader: () => {} },
  ],
  [
    "lets the framework's length stand",
    headingBesideFramework,
    /^says what the body is/,
    {
      setHeader: ({ res }, name, value) => {
        res.removeHeader = () => {};
        res.setHeader(name, value);
      },
    },
  ],
  [
    "forgets where its client was",
    channelling,
    /^goes on from the last event/,
    {
      eventStream: (source, options) => {
        const handle = eventStream(source, options);
        return (req, res) => {
          delete req.headers["last-event-id"];
          handle(req, res);
        };
      },
    },
  ],
  [
    "ends an answer that breaks off as if it were complete",
    ending,
    /^breaks off the answer to a POST whose/,
    {
      eventStream: (source, options) => {
        const handle = eventStream(source, options);
        return (req, res) => {
          Object.assign(req.socket, { end: (done: () => void) => (res as ServerResponse).end(done) });
          handle(req, res);
        };
      },
    },
  ],
  [
    "is cut off by the server's idle limit",
    flowing,
    /^keeps a stream without events open/,
    {
      idleLimit: 300,
      eventStream: (source, options) => {
        const handle = eventStream(source, options);
        return (req, res) => {
          handle(req, res);
          req.socket.setTimeout(300, () => req.socket.destroy());
        };
      },
    },
  ],
];

test.concurrent.for(mutants)("adapterSuite catches an adapter that %s", async (row, { expect, onTestFinished }) => {
  const [, topic, shown, mutant] = row;
  const { handlerFor } = createFixtures(mutant.eventStream ?? eventStream, ({ res }, json) => res.end(json), {
    setHeader: mutant.setHeader ?? (({ res }, name, value) => void res.setHeader(name, value)),
  });
  const server = await serveNode(createServer((req, res) => handlerFor(req.url ?? "/")?.(req, res)));
  onTestFinished(() => server.close());
  const stage = new Stage({ ...server, idleLimit: mutant.idleLimit });
  onTestFinished(() => stage.leave());
  const [behaviour] = Object.entries(topic).filter(([name]) => shown.test(name));
  await expect(behaviour?.[1](stage)).rejects.toThrow(/expected|Cannot go on/);
});

/** An adapter whose sources are called by what is given. */
function around(
  call: (
    connection: Connection<NodeNative>,
    source: SourceFunction<NodeNative>,
  ) => ReturnType<SourceFunction<NodeNative>>,
): NonNullable<Mutant["eventStream"]> {
  return (source, options) =>
    eventStream((connection) => call(connection, source as SourceFunction<NodeNative>), options);
}
