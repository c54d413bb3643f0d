import { follow, news } from "./channel.ts";

export const GET = follow;

export async function POST(request: Request): Promise<Response> {
  return Response.json({ id: await news.publish({ event: "headline", data: await request.json() }) });
}
