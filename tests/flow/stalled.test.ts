import { describe, expect, test } from "vitest";
import { expectLossless, expectPolicies } from "./expect-policies.ts";
import { publishPastTheStalled } from "./past-the-stalled.ts";

const few = { healthy: 5, stalled: 5, megabytes: 20 };

describe.each(["http1", "http2"] as const)("clients that stall and read again, on %s,", (protocol) => {
  test("get what their policy says, where retention was faster", { timeout: 120_000 }, async () => {
    const outcome = await publishPastTheStalled({ protocol, log: "short", ...few });
    expect(outcome).toMatchObject({ full: 15, behind: 5 });
    expectPolicies(outcome);
  });

  test("miss nothing that is retained, unless they are to skip", { timeout: 120_000 }, async () => {
    const outcome = await publishPastTheStalled({ protocol, log: "long", ...few });
    expect(outcome).toMatchObject({ full: 15, behind: 5 });
    expectLossless(outcome);
  });
});
