import { Module } from "@nestjs/common";
import { AnswerController } from "./answer.controller.ts";
import { NewsController } from "./news.controller.ts";
import { News } from "./news.ts";

@Module({ controllers: [AnswerController, NewsController], providers: [News] })
export class AppModule {}
