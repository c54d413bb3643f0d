import type { NextConfig } from "next";

export default {
  headers: async () => [{ source: "/(answer|news)", headers: [{ key: "Access-Control-Allow-Origin", value: "*" }] }],
} satisfies NextConfig;
