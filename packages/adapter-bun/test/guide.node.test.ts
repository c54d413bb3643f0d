import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

test("the first snippet of the guide is the one that is checked against Bun's own types", () => {
  const guide = readFileSync(new URL("../../../docs/guide/bun.md", import.meta.url), "utf8");
  const snippet = /```ts[^\n]*\n(.*?)```/s.exec(guide)?.[1];
  expect(snippet).toBe(readFileSync(new URL("bun/guide.ts", import.meta.url), "utf8"));
});
