import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { requirements } from "./requirements.ts";

const cited = new Set<string>();
for (const name of globSync("*.test.ts", { cwd: fileURLToPath(new URL(".", import.meta.url)) })) {
  if (name === "requirements.node.test.ts") continue;
  const source = readFileSync(new URL(name, import.meta.url), "utf8");
  for (const [, id] of source.matchAll(/§([a-z0-9-]+)/g)) cited.add(id as string);
}

test("every clause of the wire format is cited by a test", () => {
  expect(Object.keys(requirements).filter((id) => !cited.has(id))).toEqual([]);
});

test("every clause that a test cites exists", () => {
  expect([...cited].filter((id) => !(id in requirements))).toEqual([]);
});
