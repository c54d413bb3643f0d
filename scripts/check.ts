// Every static check of the workspace, each by its name: `pnpm check`, and the first part of `npm test`.
import { type CommandResult, root, run } from "./command.ts";
import { globSync, rmSync } from "node:fs";
import { join } from "node:path";
import { withPacked } from "./pack.ts";
import { publishToJsr } from "./publish-jsr.ts";
import { missing, one, type Outcome, runSteps, type Step } from "./steps.ts";

/** What is checked against the types of its own platform, apart from the others. */
const ofPlatforms = [
  "examples/cloudflare",
  "examples/elysia",
  "examples/nextjs",
  "examples/sveltekit",
  "packages/adapter-bun/test/bun",
  "packages/adapter-edge/test/cloudflare",
  "packages/store-durable-object/test/cloudflare",
];

export const checks: readonly Step[] = [
  check("build the packages", build),
  check("types of tests, examples and scripts", () => run("tsc", ["-b", ".", ...ofPlatforms])),
  onDeno("types of what Deno runs", () => run("deno", ["check", "packages/adapter-deno/test/deno"])),
  check("lint", () => run("oxlint", ["--type-aware", "--deny-warnings"])),
  check("format", () => run("oxfmt", ["--check"])),
  check("nothing unused (knip)", () => run("knip", ["--no-progress", "--treat-config-hints-as-errors"])),
  check("arrows and house rules", () => run("node", ["scripts/check-arrows.ts"])),
  check("packages as published (publint, attw)", checkPacked),
  onDeno("packages as published to JSR (dry run)", () => publishToJsr(["--dry-run"])),
  check("core's build in workerd, without Node", () => run("node", ["scripts/check-core-in-workerd.ts"])),
];

if (import.meta.main) process.exitCode = (await runSteps(checks)) ? 0 : 1;

function check(name: string, command: () => Promise<CommandResult>): Step {
  return { name, run: async () => one(await command()) };
}

function onDeno(name: string, command: () => Promise<CommandResult>): Step {
  const step = async (): Promise<Outcome> => {
    const { ok } = await run("deno", ["--version"]);
    return ok ? one(await command()) : missing("deno", "npx --yes pnpm@12 rebuild -r");
  };
  return { name, run: step };
}

/** From nothing, so that no module of an earlier build is packed. */
function build(): Promise<CommandResult> {
  for (const dist of globSync("packages/*/dist", { cwd: root })) rmSync(join(root, dist), { recursive: true });
  return run("tsc", ["-b", "tsconfig.build.json"]);
}

function checkPacked(): Promise<CommandResult> {
  return withPacked(async (_, tarballs) => {
    const results = await Promise.all(
      tarballs.flatMap((tarball) => [
        run("publint", ["run", tarball, "--strict"]),
        run("attw", [tarball, "--profile", "esm-only", "--no-color", "--no-emoji"]),
      ]),
    );
    const red = results.filter(({ ok }) => !ok);
    return { ok: red.length === 0, output: red.map(({ output }) => output).join("\n") };
  });
}
