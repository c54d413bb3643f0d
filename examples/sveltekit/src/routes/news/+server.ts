import { eventStream } from "@sluice/core";
import type { RequestHandler } from "@sveltejs/kit";
import { news } from "../../lib/server/news.ts";

const follow = eventStream(news);

export const GET: RequestHandler = ({ request }) => follow(request);

export const POST: RequestHandler = async ({ request }) =>
  Response.json({ id: await news.publish({ event: "headline", data: await request.json() }) });
