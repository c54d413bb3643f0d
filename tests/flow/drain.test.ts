import { describe, expect, test } from "vitest";
import { deploy } from "./deploy.ts";

describe.each(["http1", "http2"] as const)("a server that gets SIGTERM, on %s,", (protocol) => {
  test(
    "tells all when to come back, also those who come at once, leaves no one hanging, and its process ends by itself",
    { timeout: 60_000 },
    async () => {
      const { exitCode, took, noted } = await deploy({ protocol, clients: 50, stalled: 5, within: 3000 });
      expect(exitCode).toBe(0);
      expect(took).toBeLessThan(3000 + 2000);
      expect(noted).toMatchObject({ rude: 0, arrived: 100 });
      expect(noted.toldToWait + noted.refused).toBe(50);
      expect(noted.toldToWait).toBeGreaterThan(40);
    },
  );
});
