// Publishes to JSR what people on Deno import: `node scripts/publish-jsr.ts`, by hand or from a release. With
// `--dry-run`, as in the checks, everything but the upload; that needs no network.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { type CommandResult, root, run } from "./command.ts";

/** Each package comes after those that it imports. */
const packages = ["core", "adapter-deno"];

if (import.meta.main) {
  const { ok, output } = await publishToJsr(process.argv.slice(2));
  console.log(output);
  process.exitCode = ok ? 0 : 1;
}

/**
 * Runs `deno publish` on copies of the packages, as a workspace of their own: Deno would take a configuration beside the
 * manifests for that of the whole repository. There the name of one package stands for it in the other, and is
 * replaced by its JSR specifier on the way out.
 *
 * @param args of `deno publish`
 */
export async function publishToJsr(args: readonly string[]): Promise<CommandResult> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-jsr-"));
  try {
    for (const name of packages) copyPackage(name, join(folder, name));
    writeJson(join(folder, "deno.json"), { workspace: packages.map((name) => `./${name}`) });
    return await run("deno", ["publish", "--allow-dirty", ...args], { cwd: relative(root, folder) });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Sources, README and licence, and a configuration that says what the manifest says. */
function copyPackage(name: string, folder: string): void {
  const from = join(root, "packages", name);
  mkdirSync(folder);
  cpSync(join(from, "src"), join(folder, "src"), { recursive: true });
  cpSync(join(from, "README.md"), join(folder, "README.md"));
  cpSync(join(root, "LICENSE"), join(folder, "LICENSE"));
  const manifest = JSON.parse(readFileSync(join(from, "package.json"), "utf8")) as Manifest;
  const { version, license, exports } = manifest;
  writeJson(join(folder, "deno.json"), { name: manifest.name, version, license, exports });
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly exports: Readonly<Record<string, string>>;
}

function writeJson(file: string, value: unknown): void {
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
}
