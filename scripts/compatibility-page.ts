// What docs/guide/compatibility.md says, made of what the suites have shown.
import type { CompatibilityReport, ShownBehaviour } from "@sluice/testkit";

type Reports = readonly CompatibilityReport[];

/** What the page says of all platforms, on the Node that the tools run on. */
export function platformsPart(reports: Reports): string {
  const sorted = sort(reports);
  const topics = topicsOf(sorted);
  const count = [...topics.values()].reduce((total, names) => total + names.size, 0);
  return `# Compatibility

<!-- Written by \`pnpm compatibility\` from a run of the suites: not to be edited. -->

Every adapter passes the same suite, in its real runtime and over real sockets: \`adapterSuite\` of \`@sluice/testkit\`, with
${count} [behaviours](#behaviours), of which each platform is asked those that it can be asked. What a platform cannot do is
declared as an exception, with its reason, and is tested too: once the platform has learnt it, the suite fails until the
exception is gone. This page is written from a run, and the tests fail where it differs from theirs.

${table([
  ["Platform", "Runs on", "Behaviours", "Exceptions"],
  ...sorted.map((report) => [
    report.platform,
    report.runtime.replace("/", " "),
    `${countOf(report, "passed")}`,
    exceptionsCell(report),
  ]),
])}${sorted.map(exceptionsSection).join("")}
## Behaviours

${[...topics].map(([topic, names]) => `### ${topic}\n\n${[...names].map((name) => `- ${name}\n`).join("")}`).join("\n")}`;
}

const NODES = "## Other versions of Node\n";

/** What the page says of the adapters of Node's family on other versions of it. */
export function nodesPart(runs: readonly Reports[]): string {
  const family = runs.map((reports) => reports.filter(({ runtime }) => runtime.startsWith("Node.js/")));
  const versions = family.map((reports) => (reports[0]?.runtime ?? "").replace("/", " "));
  const platforms = sort(family[0] ?? []).map(({ platform }) => platform);
  const cell = (reports: Reports, name: string): string => {
    const report = reports.find(({ platform }) => platform === name);
    if (report === undefined) return "not run";
    const exceptions = countOf(report, "exception");
    return `${countOf(report, "passed")}${exceptions === 0 ? "" : `, ${exceptions} exceptions`}${failures(report)}`;
  };
  return `${NODES}
The same suites, with the packages as they are built.

${table([
  ["Platform", ...versions],
  ...platforms.map((platform) => [platform, ...family.map((reports) => cell(reports, platform))]),
])}`;
}

/** The two parts of a page. */
export function partsOf(page: string): { readonly platforms: string; readonly nodes: string } {
  const at = page.indexOf(NODES);
  return at < 0 ? { platforms: page, nodes: "" } : { platforms: page.slice(0, at), nodes: page.slice(at) };
}

/** The names of the platforms that a page tells of. */
export function platformsIn(part: string): readonly string[] {
  const rows = part.slice(0, part.indexOf("\n## ")).matchAll(/^\| (.+?) +\| .+ \| \d+ /gm);
  return Array.from(rows, ([, name = ""]) => name);
}

/** Node's family first, and by name. */
function sort(reports: Reports): Reports {
  const rank = ({ runtime }: CompatibilityReport): number => (runtime.startsWith("Node.js/") ? 0 : 1);
  return reports.toSorted((a, b) => rank(a) - rank(b) || a.platform.localeCompare(b.platform, "en", { numeric: true }));
}

/** All behaviours by topic, in the order of the suite: that of whoever was asked most comes first. */
function topicsOf(reports: Reports): Map<string, Set<string>> {
  const topics = new Map<string, Set<string>>();
  for (const { behaviours } of reports.toSorted((a, b) => b.behaviours.length - a.behaviours.length)) {
    for (const { topic, name } of behaviours) topics.set(topic, (topics.get(topic) ?? new Set()).add(name));
  }
  return topics;
}

function countOf({ behaviours }: CompatibilityReport, outcome: ShownBehaviour["outcome"]): number {
  return behaviours.filter((behaviour) => behaviour.outcome === outcome).length;
}

function failures(report: CompatibilityReport): string {
  const failed = countOf(report, "failed");
  return failed === 0 ? "" : `, ${failed} FAILED`;
}

function exceptionsCell(report: CompatibilityReport): string {
  const count = countOf(report, "exception");
  const link = count === 0 ? "none" : `[${count}](#${report.platform.toLowerCase().replace(/[^a-z0-9]+/g, "-")})`;
  return link + failures(report);
}

/** Each reason once, with what it is the reason of. */
function exceptionsSection({ platform, behaviours }: CompatibilityReport): string {
  const exceptions = behaviours.filter(({ outcome }) => outcome === "exception");
  if (exceptions.length === 0) return "";
  const byReason = Map.groupBy(exceptions, ({ reason = "" }) => reason);
  const reasons = [...byReason].map(([reason, names]) => {
    const items = names.map(
      ({ name, hasSubstitute }) =>
        `- ${name}${hasSubstitute === true ? " (tested instead: what holds in its place)" : ""}\n`,
    );
    return `${sentence(reason)}\n\n${items.join("")}`;
  });
  return `\n## ${platform}\n\nDoes not do:\n\n${reasons.join("\n")}`;
}

/** A reason begins small and ends with a bare link. */
function sentence(reason: string): string {
  const linked = reason.replace(/https?:\/\/\S+/g, "<$&>");
  return `${linked.charAt(0).toUpperCase()}${linked.slice(1)}`;
}

/** A table of Markdown, as the formatter would have it. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(3, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |\n`;
  const [head = [], ...body] = rows;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("");
}
