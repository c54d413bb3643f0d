import { eventStream } from "@sluice/adapter-fastify";
import { fastify } from "fastify";
import type { AddressInfo } from "node:net";
import type { Bind } from "../listen.ts";
import { mount } from "../mount.ts";
import type { Mountable } from "../mount.ts";
import { requestFrom, resetterOf } from "../node-http.ts";

export function onFastify(showcase: Mountable): Bind {
  const answer = mount(showcase, eventStream, ({ request }) => request.raw);
  return async (port, host) => {
    const app = fastify({ forceCloseConnections: "idle" });
    // The routes read bodies themselves, each with its own limit.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("*", (_request, _payload, done) => done(null));
    app.all("/*", async (request, reply) => {
      const answered = await answer(requestFrom(request.raw), request.raw, resetterOf(request.raw));
      if (answered instanceof Response) return reply.send(answered);
      answered(request, reply);
      return reply;
    });
    await app.listen({ port, host });
    return { port: (app.server.address() as AddressInfo).port, close: () => app.close() };
  };
}
