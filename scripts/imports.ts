import { readFileSync } from "node:fs";

/**
 * What a module imports, statically or not. Lines of comments are left out: examples in them import the package that
 * they are about.
 */
export function importsOf(file: string): string[] {
  const code = readFileSync(file, "utf8").replaceAll(/^\s*(\*|\/\*|\/\/).*$/gm, "");
  return [...code.matchAll(/(?<!["'])\b(?:from\s*|import\s*\(?\s*)["']([^"']+)["']/g)].map((match) => match[1]!);
}
