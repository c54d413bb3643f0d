// The rules that keep `ls packages` the architecture diagram: who may depend on whom, in manifests, in sources and in
// the build, and what no tracked file may hold. Prints each breach; exits with 1 if there is one.
import { execFileSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { root } from "./command.ts";
import { importsOf } from "./imports.ts";

/** Every package there may be, and the packages it may use. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  core: [],
  client: ["core"],
  "adapter-node": ["core"],
  "adapter-express": ["core", "adapter-node"],
  "adapter-koa": ["core", "adapter-node"],
  "adapter-fastify": ["core", "adapter-node"],
  "adapter-bun": ["core"],
  "adapter-deno": ["core"],
  "adapter-edge": ["core"],
  "store-sqlite": ["core"],
  "store-redis": ["core"],
  "store-postgres": ["core"],
  "store-durable-object": ["core"],
  testkit: ["core"],
};

/** Packages for one runtime that has `node:` modules by itself. The others run where there are only Web APIs. */
const onNode = /^(adapter-(node|express|koa|fastify)|store-(sqlite|redis|postgres)|testkit)$/;

/** A thing lives with its owner, not in a folder of this name. */
const homeless = /(^|\/)(utils?|shared|common|helpers?|types)\//;

const breaches: string[] = [];
const say = (where: string, what: string): number => breaches.push(`${where}: ${what}`);

const tracked = git("ls-files").filter((file) => existsSync(join(root, file)));
for (const file of tracked) if (homeless.test(file)) say(file, "no folder may have this name; move it to its owner");
for (const hit of git(
  "grep",
  "-nIE",
  String.raw`/(work|farm|root|home)/[a-z]|registry\.npmjs|deb\.debian`,
  "--",
  ".",
  ":!pnpm-lock.yaml",
)) {
  say(hit, "a path of a machine, or the host of a registry");
}
const names = globSync("packages/*/package.json", { cwd: root }).map((manifest) => manifest.split("/")[1]!);
for (const name of names) {
  if (arrows[name] === undefined) say(`packages/${name}`, "is not in the table of scripts/check-arrows.ts");
  else checkPackage(name, arrows[name]);
}
console.log(breaches.length === 0 ? `${names.length} packages keep to the table` : breaches.join("\n"));
process.exitCode = breaches.length === 0 ? 0 : 1;

function checkPackage(name: string, allowed: readonly string[]): void {
  const folder = `packages/${name}`;
  const manifest = readJson(`${folder}/package.json`);
  const sluice = allowed.map((other) => `@sluice/${other}`);
  const peers = Object.keys(manifest.peerDependencies ?? {});

  if (manifest.name !== `@sluice/${name}`) say(folder, `is named ${manifest.name}; name it @sluice/${name}`);
  for (const dependency of Object.keys(manifest.dependencies ?? {})) {
    if (!sluice.includes(dependency)) say(folder, `may not depend on ${dependency}; frameworks and drivers are peers`);
  }
  if (name === "core" && peers.length > 0) say(folder, `core has no peers: ${peers.join(", ")}`);
  for (const file of ["README.md", ...Object.values(manifest.exports ?? {})])
    if (!existsSync(join(root, folder, file))) say(folder, `has no ${file}`);

  const published = manifest.publishConfig?.exports ?? {};
  for (const subpath of new Set([...Object.keys(manifest.exports ?? {}), ...Object.keys(published)])) {
    const module = manifest.exports?.[subpath]?.replace("./src/", "./dist/").replace(/ts$/, "js");
    if (published[subpath]?.default !== module)
      say(folder, `publishes ${subpath} as another module than it exports here`);
  }

  const build = readJson("tsconfig.build.json").references?.map(({ path }) => path) ?? [];
  if (!build.includes(`${folder}/tsconfig.build.json`)) say("tsconfig.build.json", `does not build ${folder}`);
  const references =
    readJson(`${folder}/tsconfig.build.json`).references?.map(({ path }) => dirname(path).slice(3)) ?? [];
  const used = Object.keys(manifest.dependencies ?? {}).map((dependency) => dependency.replace("@sluice/", ""));
  if (references.toSorted().join() !== used.toSorted().join()) {
    say(
      `${folder}/tsconfig.build.json`,
      `references ${references.join(", ")} where the manifest has ${used.join(", ")}`,
    );
  }

  for (const file of globSync(`${folder}/src/**/*.ts`, { cwd: root })) {
    for (const specifier of importsOf(join(root, file))) {
      const fault = faultOf(specifier, name, normalize(join(dirname(file), specifier)), [...sluice, ...peers]);
      if (fault !== undefined) say(file, `imports ${specifier}: ${fault}`);
    }
  }
}

function faultOf(specifier: string, name: string, target: string, packages: readonly string[]): string | undefined {
  if (specifier.startsWith(".")) {
    return target.startsWith(`packages/${name}/src/`) ? undefined : "leaves the sources of its package";
  }
  if (specifier.startsWith("node:")) return onNode.test(name) ? undefined : "this package has to run without Node";
  const bare = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  return packages.includes(bare) ? undefined : "is neither a package it may use nor a peer";
}

interface Manifest {
  readonly name?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly exports?: Readonly<Record<string, string>>;
  readonly publishConfig?: { readonly exports?: Readonly<Record<string, { readonly default: string }>> };
  readonly references?: readonly { readonly path: string }[];
}

function readJson(file: string): Manifest {
  return JSON.parse(readFileSync(join(root, file), "utf8")) as Manifest;
}

/** The lines that git prints; none where it found none. */
function git(...args: string[]): string[] {
  try {
    return execFileSync("git", args, { cwd: root, encoding: "utf8", maxBuffer: 64 << 20 })
      .split("\n")
      .filter(Boolean);
  } catch (error) {
    if ((error as { status?: number }).status === 1) return [];
    throw error;
  }
}
