import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CommandResult, pnpm, run } from "./command.ts";

/**
 * Packs every package as npm would get it, and lays the packages out as an install would, in
 * `<folder>/node_modules/@sluice`. The folder is gone when `use` is done. Wants the packages built.
 *
 * @param use is called with the folder and the paths of the tarballs
 */
export async function withPacked<Result>(
  use: (folder: string, tarballs: string[]) => Promise<Result>,
): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-packed-"));
  try {
    must(await pnpm("--filter", "./packages/*", "pack", "--pack-destination", folder));
    const tarballs = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
    for (const tarball of tarballs) {
      const installed = join(folder, "node_modules/@sluice", tarball.replace(/^sluice-(.+)-\d+\.\d+\.\d+.*$/, "$1"));
      mkdirSync(installed, { recursive: true });
      must(await run("tar", ["-xzf", join(folder, tarball), "-C", installed, "--strip-components=1"]));
    }
    return await use(
      folder,
      tarballs.map((tarball) => join(folder, tarball)),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function must({ ok, output }: CommandResult): void {
  if (!ok) throw new Error(`Cannot pack the packages\n${output}`);
}
