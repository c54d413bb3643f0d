// `npm test`, `npm run test:all` and `npm run demo`, on whatever Node 20 or later the machine has: installs the
// workspace, then hands over to the Node that the workspace pins. Plain JavaScript without dependencies, as it runs
// before anything is installed.
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const verbs = {
  demo: ["examples/showcase/server.ts"],
  test: ["scripts/test.ts"],
  "test:all": ["scripts/test.ts", "--all"],
};

const [verb, ...args] = process.argv.slice(2);
if (!Object.hasOwn(verbs, verb)) {
  console.error(`Cannot run ${verb ?? "nothing"}: say one of ${Object.keys(verbs).join(", ")}`);
  process.exit(2);
}
install();
handOver([...verbs[verb], ...args]);

function install() {
  const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const command = ["--yes", packageManager, "install", "--frozen-lockfile"];
  console.error(`npx ${command.join(" ")}: the first time it takes a minute`);
  const { status, error, stdout, stderr } = spawnSync("npx", command, {
    cwd: root,
    encoding: "utf8",
    // Without a terminal pnpm asks nothing only where CI is set.
    env: { ...process.env, CI: "true" },
    maxBuffer: Infinity,
    shell: process.platform === "win32",
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (status === 0) return;
  console.error(stdout, stderr);
  console.error(`Cannot install${error === undefined ? "" : `: ${error.message}`}`);
  process.exit(status ?? 1);
}

function handOver(command) {
  const node = join(root, "node_modules/node/bin", process.platform === "win32" ? "node.exe" : "node");
  const path = join(root, "node_modules/.bin") + delimiter + process.env.PATH;
  const child = spawn(node, command, { cwd: root, env: { ...process.env, PATH: path }, stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      // A terminal has sent its Ctrl-C to the child as well, and a second one would say "at once".
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    });
  }
  // A signal that ends npm ends the shell between npm and us, and reaches nobody here: we only see that the shell is gone.
  const shell = process.env.npm_lifecycle_event === undefined ? undefined : process.ppid;
  const orphaned = () => shell !== undefined && process.ppid !== shell;
  const watch = setInterval(() => orphaned() && child.kill("SIGTERM"), 500);
  child.on("error", (error) => {
    clearInterval(watch);
    console.error(`Cannot start Node: ${error.message}`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    clearInterval(watch);
    process.exitCode = code ?? 128 + constants.signals[signal];
  });
}
