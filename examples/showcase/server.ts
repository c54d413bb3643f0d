import { fileURLToPath } from "node:url";
import { PLATFORMS } from "./platforms.ts";
import { runIn, runtimeHere } from "./runtime.ts";
import { stopOnSignal } from "./stop.ts";

// `node server.ts --on bun` starts Bun with this very file.
const args = process.argv.slice(2);
const name = args[0] === "--on" ? args[1] : args.length === 0 ? "express" : undefined;
const platform = name !== undefined && Object.hasOwn(PLATFORMS, name) ? PLATFORMS[name] : undefined;

if (platform === undefined) {
  const asked = name === undefined ? "" : `There is no ${name}. `;
  console.error(`\n  ${asked}Say --on and one of ${Object.keys(PLATFORMS).join(", ")}; without it, it is express.\n`);
  process.exitCode = 2;
} else if (platform.runtime !== "node" && platform.runtime !== runtimeHere()) {
  runIn(platform.runtime, fileURLToPath(import.meta.url), args);
} else {
  const showcase = await platform.run();
  stopOnSignal(showcase);
  const { url, model } = showcase;
  console.log(`
  Sluice on ${name}  ${url}

  The assistant speaks as ${model}. The same streams, without a browser:

    curl -N ${url}/quiz/events
    curl -N ${url}/machine/events
    curl -N ${url}/market/events
    curl -N "${url}/log/events?level=debug"
    curl -N ${url}/assistant -H 'Content-Type: application/json' -d '{"prompt": "What is pride?"}'
    curl -NL -d '' ${url}/jobs

  Ctrl-C stops it.
`);
}
