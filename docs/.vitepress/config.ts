import { defineConfig } from "vitepress";

const page = (text: string, link: string): { text: string; link: string } => ({ text, link });

export default defineConfig({
  lang: "en",
  title: "Sluice",
  description: "Server-Sent Events with the flow under control",
  head: [["link", { rel: "icon", type: "image/svg+xml", href: "/logo.svg" }]],
  themeConfig: {
    logo: "/logo.svg",
    search: { provider: "local" },
    outline: [2, 3],
    nav: [
      page("Guide", "/guide/getting-started"),
      page("Reference", "/reference/options"),
      page("Protocol", "/PROTOCOL"),
      page("Decisions", "/decisions/"),
    ],
    sidebar: [
      {
        text: "Start",
        items: [page("What it is", "/guide/what-it-is"), page("Getting started", "/guide/getting-started")],
      },
      {
        text: "Guide",
        items: [
          page("Sources", "/guide/sources"),
          page("The connection", "/guide/connection"),
          page("Channels", "/guide/channels"),
          page("Resume", "/guide/resume"),
          page("Filter, map, several channels", "/guide/filter-and-map"),
          page("Slow clients", "/guide/slow-clients"),
          page("Stores", "/guide/stores"),
          page("Writing a store", "/guide/writing-a-store"),
          page("Authorisation", "/guide/authorization"),
          page("Content negotiation", "/guide/content-negotiation"),
          page("HTTP/2, proxies, compression", "/guide/http2-proxies-compression"),
          page("Reading streams", "/guide/reading-streams"),
          page("Limits", "/guide/limits"),
          page("Drain and deploys", "/guide/drain-and-deploys"),
          page("Observing", "/guide/observing"),
          page("Errors in production", "/guide/errors-in-production"),
          page("Performance", "/guide/performance"),
          page("Compatibility", "/guide/compatibility"),
        ],
      },
      {
        text: "Runtimes",
        items: [
          page("Bun", "/guide/bun"),
          page("Deno", "/guide/deno"),
          page("Cloudflare", "/guide/cloudflare"),
          page("Vercel's Edge runtime", "/guide/vercel-edge"),
        ],
      },
      {
        text: "Frameworks",
        items: [
          page("All of them", "/frameworks/"),
          page("Fastify", "/guide/fastify"),
          page("Koa", "/guide/koa"),
          page("Hono", "/frameworks/hono"),
          page("h3", "/frameworks/h3"),
          page("Elysia", "/frameworks/elysia"),
          page("Next.js", "/frameworks/nextjs"),
          page("SvelteKit", "/frameworks/sveltekit"),
          page("NestJS", "/frameworks/nestjs"),
        ],
      },
      {
        text: "Reference",
        items: [
          page("Options", "/reference/options"),
          page("Errors", "/reference/errors"),
          page("On the wire", "/reference/wire"),
          page("@sluice/core", "/reference/api-core"),
          page("Adapters", "/reference/api-adapters"),
          page("Writing an adapter", "/reference/writing-an-adapter"),
          page("Protocol", "/PROTOCOL"),
        ],
      },
      { text: "Why", items: [page("Decisions", "/decisions/")] },
    ],
    footer: { message: "Sluice is free software under the MIT licence." },
  },
});
