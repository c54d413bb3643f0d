import "reflect-metadata";
import { NestFactory } from "@nestjs/core";
import compression from "compression";
import { AppModule } from "./app.module.ts";

const app = await NestFactory.create(AppModule, { cors: true });
app.use(compression());
app.enableShutdownHooks();
await app.listen(Number(process.env["PORT"] ?? 3000));
