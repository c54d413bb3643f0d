import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vitest/config";

const packages = fileURLToPath(new URL("packages/", import.meta.url));

/**
 * Where SLUICE_BUILT=1, tests run against what users get: an import of `packages/<name>/src/<module>.ts`, by whatever
 * name, loads the module of that name in `dist`.
 */
const built: Plugin = {
  name: "built",
  enforce: "pre",
  async resolveId(source, importer, options) {
    const resolved = await this.resolve(source, importer, { ...options, skipSelf: true });
    const module =
      resolved?.id.startsWith(packages) && /^([^/]+)\/src\/(.+)\.ts$/.exec(resolved.id.slice(packages.length));
    return module ? `${packages}${module[1]}/dist/${module[2]}.js` : resolved;
  },
};

const plugins = process.env["SLUICE_BUILT"] === "1" ? [built] : [];

export default defineConfig({
  test: {
    dangerouslyIgnoreUnhandledErrors: false,
    projects: [
      {
        // Runs on every runtime; `npm test` also runs this project in Deno, and its files in Bun.
        plugins,
        test: {
          name: "neutral",
          include: ["packages/*/test/**/*.neutral.test.ts"],
          pool: "forks",
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        plugins,
        test: {
          name: "node",
          include: ["packages/*/test/**/*.node.test.ts", "tests/**/*.test.ts", "examples/**/*.test.ts"],
          exclude: ["**/node_modules/**", "tests/soak/**", "**/*.heavy.test.ts"],
          pool: "forks",
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        // Frameworks that have to be built: only in `npm run test:all`.
        plugins,
        test: {
          name: "heavy",
          include: ["tests/**/*.heavy.test.ts", "examples/**/*.heavy.test.ts"],
          pool: "forks",
          testTimeout: 60_000,
          hookTimeout: 300_000,
        },
      },
      {
        // Minutes long: only in `npm run test:all`.
        plugins,
        test: {
          name: "soak",
          include: ["tests/soak/**/*.test.ts"],
          pool: "forks",
          testTimeout: 900_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
