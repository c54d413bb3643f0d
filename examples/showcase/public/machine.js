import { createChart } from "./chart.js";
import { showFacts } from "./facts.js";
import { duration, show, tell } from "./page.js";

const STATUS = "machine-status";
const USUAL = "A sample each second, while anybody reads.";

/** For so many samples is told what was unusual. */
const UNUSUAL = 30;

/** Panel two: the machine that serves this page, second by second. */
export function startMachine(live, onFacts) {
  const chart = createChart("machine-chart", "machine-legend");
  show("machine-curl", `curl -N ${location.origin}/machine/events`);

  /** How many samples are left until all is as usual. */
  let left = 0;
  const say = (tone, words) => {
    left = UNUSUAL;
    tell(STATUS, tone, words);
  };

  live.follow({
    name: "machine",
    types: ["sample"],
    from: "with what the server has",
    receive: (_type, sample) => {
      chart.add(sample);
      showFigures(sample);
      showFacts(sample.facts);
      onFacts(sample.facts);
      if (left > 0 && --left === 0) tell(STATUS, "live", USUAL);
      if (sample.cpu === null) tell(STATUS, "quiet", "This platform does not let its programs see the machine.");
      const { rested } = sample;
      if (rested !== undefined) {
        say("quiet", `Nobody was reading for ${duration(rested)}, so nothing was sampled: the gap in the chart.`);
      }
    },
    onBreak: (reason) => {
      chart.breakOff(reason === "reset" ? "restart" : "gone");
      say("bad", "The server was restarted. What it had measured before is gone with it: the gap.");
    },
    onState: (tone) => {
      showFacts(undefined, tone !== "live");
      if (tone === "live" && left === 0) tell(STATUS, "live", USUAL);
      if (tone !== "live") tell(STATUS, "bad", "Disconnected. What is shown is the past.");
    },
  });
}

function showFigures({ load, cores, loopDelay, rss, memoryUsed }) {
  const known = (value, words) => (value === null ? "–" : words(value));
  show(
    "machine-load",
    known(load, () => `${load.toFixed(2)} / ${cores}`),
  );
  show(
    "machine-memory",
    known(memoryUsed, () => `${(memoryUsed / 2 ** 30).toFixed(1)} GB`),
  );
  show(
    "machine-loop",
    known(loopDelay, () => `${loopDelay.toFixed(1)} ms`),
  );
  show(
    "machine-rss",
    known(rss, () => `${Math.round(rss / 2 ** 20)} MB`),
  );
}
