import type { Behaviour, Exceptions } from "@sluice/testkit";
import { connectStalled } from "@sluice/testkit/clients";
import { expect } from "vitest";
import { isCutOffCleanly, isWholeToItsClient } from "../ends-as-complete.ts";

const finUnseen =
  "workerd notices a client that has closed its socket when it next writes, so at the next keep-alive comment: " +
  "https://github.com/cloudflare/workerd/issues/5611";

const isSeenWhenWriting: Behaviour = async (stage) => {
  const client = await stage.open("/keep-alive");
  await client.until(({ events }) => events.length > 0);
  client.leave();
  await stage.until(([record]) => record?.closed === "disconnected" && record.finallyRan, 2500);
};

const isSeenWhenReset: Behaviour = async (stage) => {
  const socket = await connectStalled(stage.url("/authorize-waits"));
  await stage.until(([record]) => record !== undefined, 2000);
  socket.resetAndDestroy();
  await stage.until(([record]) => record?.closed === "disconnected" && record.aborted, 2500);
  expect(await stage.records()).toMatchObject([{ started: false, errors: [] }]);
};

const failsAsIfComplete =
  "workerd ends a body that fails as if it were complete: https://github.com/cloudflare/workerd/issues/6818";

/** What workerd cannot do, with the flag `enable_request_signal`. Without it, it tells of no client that has gone. */
export const workerdExceptions: Exceptions = {
  "stops a generator that waits when its client leaves": { reason: finUnseen, instead: isSeenWhenWriting },
  "stops a ReadableStream when its client leaves": finUnseen,
  "stops a function that sends when its client leaves": finUnseen,
  "stops a generator when its client leaves after a POST": finUnseen,
  "stops a generator when its client leaves after a POST whose large body nobody reads": finUnseen,
  "lets go of a channel's client that leaves after a POST whose large body nobody reads": finUnseen,
  "stops a hundred generators when half of their clients leave and half are reset": finUnseen,
  "never runs the source of a client that leaves while it is being authorised": {
    reason: finUnseen,
    instead: isSeenWhenReset,
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

const apart =
  "the requests of a Worker may not wait for one another, so its channels are in a Durable Object: " +
  "https://developers.cloudflare.com/workers/observability/errors/#cannot-perform-io-on-behalf-of-a-different-request";

/** What needs one place for many requests, which a Worker is only with a Durable Object. */
export const workerExceptions: Exceptions = {
  ...workerdExceptions,
  ...Object.fromEntries(
    [
      "tells the reader of a channel that it is live, and then what is published, the same to all",
      "begins a channel where the option start says",
      "goes on from the last event that a client had, with no event missing or twice",
      "goes on for a client that was live and had seen no event",
      "tells a client of the gap when what it missed is gone, and goes on with what there is",
      "tells a client whose last event ID it does not know of the gap, and echoes nothing of it",
      "ends the readers of a channel that is closed, and answers 204 when they come back",
      "lets a reader of a channel that was ended for its age come back and miss nothing",
      "gives twenty readers of a channel that are reset again and again exact histories",
      "lets go of a channel's client that leaves after a POST whose large body nobody reads",
      "lets no reader of a channel wait for another that reads nothing",
      "ends the readers of a hub that drains, and sends those that come meanwhile away, all to come back",
      "turns a POST away with 503 while its hub drains, as no client of it would come back to a stream",
      "stops the functions under a hub that drains, and lets their clients come back",
      "lets go of all that it held for connections that have ended, however they ended",
    ].map((name) => [name, apart]),
  ),
};
