import { eventStream } from "@sluice/adapter-node";
import type { Bind } from "../listen.ts";
import { mount } from "../mount.ts";
import type { Mountable } from "../mount.ts";
import { bindNode, requestFrom, resetterOf, send } from "../node-http.ts";

export function onNode(showcase: Mountable): Bind {
  const answer = mount(showcase, eventStream, ({ req }) => req);
  return bindNode(async (req, res) => {
    const answered = await answer(requestFrom(req), req, resetterOf(req));
    if (answered instanceof Response) await send(answered, res);
    else answered(req, res);
  });
}
