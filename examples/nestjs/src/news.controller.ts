import type { IncomingMessage, ServerResponse } from "node:http";
import { Body, Controller, Get, Inject, Post, Req, Res } from "@nestjs/common";
import { eventStream } from "@sluice/adapter-node";
import { News } from "./news.ts";

@Controller("news")
export class NewsController {
  readonly #news: News;

  constructor(@Inject(News) news: News) {
    this.#news = news;
  }

  @Get()
  follow(@Req() req: IncomingMessage, @Res() res: ServerResponse): void {
    eventStream(this.#news.channel)(req, res);
  }

  @Post()
  async publish(@Body() body: { text: string }): Promise<{ id: string }> {
    return { id: await this.#news.channel.publish({ event: "headline", data: body }) };
  }
}
