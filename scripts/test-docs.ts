// Checks the types of the examples in the documentation, and runs each as a test: those in the comments of the packages'
// sources, and the ```ts blocks of README.md, packages/*/README.md and docs/. One that cannot run by itself is marked
// ```ts ignore.
import { globSync } from "node:fs";
import { root, run } from "./command.ts";
import { countsOf, one, type Outcome, runSteps } from "./steps.ts";

if (import.meta.main) {
  process.exitCode = (await runSteps([{ name: "examples in the documentation", run: docExamples }])) ? 0 : 1;
}

export async function docExamples(): Promise<Outcome> {
  const files = globSync(["README.md", "packages/*/README.md", "packages/*/src/**/*.ts", "docs/**/*.md"], {
    cwd: root,
    exclude: (path) => path.includes("node_modules"),
  });
  const types = await run("deno", ["check", "--doc", ...files]);
  if (!types.ok) return one(types);
  const preload = ["--preload", "scripts/doc-examples-preload.ts"];
  const result = await run("deno", ["test", "-A", "--doc", "--no-check", ...preload, ...files]);
  return countsOf(result, { passed: /(\d+) passed/, failed: /(\d+) failed/, skipped: /(\d+) ignored/ });
}
