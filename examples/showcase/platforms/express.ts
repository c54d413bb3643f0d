import { eventStream } from "@sluice/adapter-express";
import express from "express";
import type { Bind } from "../listen.ts";
import { mount } from "../mount.ts";
import type { Mountable } from "../mount.ts";
import { bindNode, requestFrom, resetterOf, send } from "../node-http.ts";

export function onExpress(showcase: Mountable): Bind {
  const answer = mount(showcase, eventStream, ({ req }) => req);
  const app = express();
  app.disable("x-powered-by");
  app.use(async (req, res, next) => {
    const answered = await answer(requestFrom(req), req, resetterOf(req));
    if (answered instanceof Response) await send(answered, res);
    else answered(req, res, next);
  });
  return bindNode(app);
}
