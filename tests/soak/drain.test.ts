import { expect, test } from "vitest";
import { deploy, fullestSlot } from "../flow/deploy.ts";

/** Goodbyes are spread over the first five seconds of it. */
const WITHIN = 10_000;

test.each([
  ["http1", 0],
  ["http1", 50],
  ["http2", 0],
  ["http2", 50],
] as const)(
  "SIGTERM, on %s, with 2,000 clients that wait as they are told, as many that do not, and %i that read nothing: no 100 ms have more than a twentieth of those who come back",
  async (protocol, stalled) => {
    const { exitCode, took, noted } = await deploy({ protocol, clients: 2000, stalled, within: WITHIN });
    const slots = [noted.patient, noted.hasty, [...noted.patient, ...noted.hasty]].map(fullestSlot);
    console.log(`${protocol}, ${stalled} stalled: ${slots.map((share) => `${(share * 100).toFixed(1)} %`).join(", ")}`);
    console.log(`exit ${exitCode} after ${took.toFixed(0)} ms; ${noted.refused} of 2,000 came when it had gone`);
    expect(exitCode).toBe(0);
    expect(took).toBeLessThan(WITHIN);
    expect(noted).toMatchObject({ rude: 0, arrived: 4000 });
    expect(noted.toldToWait + noted.refused).toBe(2000);
    for (const share of slots) expect(share).toBeLessThanOrEqual(0.05);
  },
);
