import type { Behaviour, Exceptions } from "@sluice/testkit";
import { connectStalled } from "@sluice/testkit/clients";
import { expect } from "vitest";
import { isCutOffCleanly, isWholeToItsClient } from "../ends-as-complete.ts";

const leavingUnseen =
  "the Edge runtime never aborts a request, and its server looks for its client when it next writes, so at the next " +
  "keep-alive comment: https://github.com/vercel/edge-runtime/blob/main/packages/runtime/src/server/body-streams.ts";

const isSeenWhenWriting =
  (go: "leave" | "reset"): Behaviour =>
  async (stage) => {
    const client = await stage.open("/keep-alive");
    await client.until(({ events }) => events.length > 0);
    client[go]();
    await stage.until(([record]) => record?.closed === "disconnected" && record.finallyRan, 2500);
  };

const isSeenOnceAnswered: Behaviour = async (stage) => {
  const socket = await connectStalled(stage.url("/authorize-waits"));
  await stage.until(([record]) => record !== undefined, 2000);
  socket.resetAndDestroy();
  await stage.until(([record]) => record?.closed === "disconnected" && record.aborted, 6500);
  expect(await stage.records()).toMatchObject([{ errors: [] }]);
};

const failsAsIfComplete =
  "the Edge runtime's server ends a body that fails as if it were complete: " +
  "https://github.com/vercel/edge-runtime/blob/main/packages/runtime/src/server/create-handler.ts";

/** What Vercel's Edge runtime cannot do. */
export const edgeRuntimeExceptions: Exceptions = {
  "stops a generator that waits when its client leaves": { reason: leavingUnseen, instead: isSeenWhenWriting("leave") },
  "stops a generator that waits when its client is reset": {
    reason: leavingUnseen,
    instead: isSeenWhenWriting("reset"),
  },
  "stops a ReadableStream when its client leaves": leavingUnseen,
  "stops a function that sends when its client leaves": leavingUnseen,
  "stops a generator when its client leaves after a POST": leavingUnseen,
  "stops a generator when its client leaves after a POST whose large body nobody reads": leavingUnseen,
  "stops a generator when its client is reset after a POST whose large body nobody reads": leavingUnseen,
  "lets go of a channel's client that leaves after a POST whose large body nobody reads": leavingUnseen,
  "stops a hundred generators when half of their clients leave and half are reset": leavingUnseen,
  "never runs the source of a client that leaves while it is being authorised": {
    reason: leavingUnseen,
    instead: isSeenOnceAnswered,
  },
  "cuts off a client that takes nothing for as long as the write deadline": {
    reason: failsAsIfComplete,
    instead: isCutOffCleanly,
  },
  "breaks off the answer to a POST whose source throws, behind all that was sent": {
    reason: failsAsIfComplete,
    instead: isWholeToItsClient("/throws-later", "/throws-after-many"),
  },
  "breaks off the answer to a POST that ends before its source has: by age, expiry, drain, or an event that is refused":
    {
      reason: failsAsIfComplete,
      instead: isWholeToItsClient("/max-age", "/authorize-expires", "/invalid-event"),
    },
};
