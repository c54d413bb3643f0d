import { eventStream } from "@sluice/adapter-koa";
import Koa from "koa";
import type { Bind } from "../listen.ts";
import { mount } from "../mount.ts";
import type { Mountable } from "../mount.ts";
import { bindNode, requestFrom, resetterOf } from "../node-http.ts";

export function onKoa(showcase: Mountable): Bind {
  const answer = mount(showcase, eventStream, ({ ctx }) => ctx.req);
  const app = new Koa();
  app.use(async (ctx, next) => {
    const answered = await answer(requestFrom(ctx.req), ctx.req, resetterOf(ctx.req));
    if (!(answered instanceof Response)) return answered(ctx, next);
    ctx.body = Buffer.from(await answered.arrayBuffer());
    ctx.status = answered.status;
    answered.headers.forEach((value, name) => ctx.set(name, value));
  });
  return bindNode(app.callback());
}
