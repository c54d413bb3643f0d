import type { IncomingMessage, ServerResponse } from "node:http";
import { Body, Controller, Post, Req, Res } from "@nestjs/common";
import { eventStream } from "@sluice/adapter-node";
import { modelAnswer } from "./model.ts";

@Controller("answer")
export class AnswerController {
  @Post()
  answer(@Body() body: { question: string }, @Req() req: IncomingMessage, @Res() res: ServerResponse): void {
    eventStream(async function* ({ signal }) {
      for await (const token of modelAnswer(body.question, signal)) yield { data: { token } };
    })(req, res);
  }
}
