import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { adapterSuite } from "@sluice/testkit";
import type { StartedServer } from "@sluice/testkit";
import { describe } from "vitest";
import { edgeRuntimeExceptions } from "./exceptions.ts";

describe("Vercel's Edge runtime", () => adapterSuite(start, edgeRuntimeExceptions, { platform: "Vercel Edge" }));

async function start(): Promise<StartedServer> {
  const server = fileURLToPath(new URL("server.ts", import.meta.url));
  const child = spawn(process.execPath, [server], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const [url] = (await Promise.race([
    once(createInterface(child.stdout), "line"),
    exited.then(([code]) => Promise.reject(new Error(`The server ended with ${code} before it listened`))),
  ])) as [string];
  return {
    url,
    close: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
