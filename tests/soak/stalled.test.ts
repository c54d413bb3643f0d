import { expect, test } from "vitest";
import { expectPolicies } from "../flow/expect-policies.ts";
import { publishPastTheStalled } from "../flow/past-the-stalled.ts";

test.each(["http1", "http2"] as const)(
  "200 MB past 201 clients that stall for good, on %s, take no memory, and all get what their policy says",
  async (protocol) => {
    const outcome = await publishPastTheStalled({ protocol, log: "short", healthy: 100, stalled: 67, megabytes: 200 });
    console.log(`${protocol}: resident memory has grown by ${(outcome.growth / 1e6).toFixed(1)} MB`);
    expect(outcome).toMatchObject({ full: 201, behind: 67 });
    expectPolicies(outcome);
    expect(outcome.growth / 1e6, "MB").toBeLessThan(30);
  },
);
