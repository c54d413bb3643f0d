import type { Behaviour, Exceptions } from "@sluice/testkit";
import { connectStalled } from "@sluice/testkit/clients";
import { expect } from "vitest";

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

const isCutOffCleanly: Behaviour = async (stage) => {
  const client = await stage.open("/deadline");
  client.pause();
  await stage.until(([record]) => record?.closed === "write-deadline" && record.finallyRan, 8000);
  client.resume();
  expect(await client.ended).toBe("complete");
};

/** What workerd cannot do, with the flag `enable_request_signal`. Without it, it tells of no client that has gone. */
export const workerdExceptions: Exceptions = {
  "stops a generator that waits when its client leaves": { reason: finUnseen, instead: isSeenWhenWriting },
  "stops a ReadableStream when its client leaves": finUnseen,
  "stops a function that sends when its client leaves": finUnseen,
  "stops a generator when its client leaves after a POST": finUnseen,
  "stops a hundred generators when half of their clients leave and half are reset": finUnseen,
  "never runs the source of a client that leaves while it is being authorised": {
    reason: finUnseen,
    instead: isSeenWhenReset,
  },
  "cuts off a client that takes nothing for as long as the write deadline": {
    reason: "workerd ends a body that fails as if it were complete: https://github.com/cloudflare/workerd/issues/6818",
    instead: isCutOffCleanly,
  },
};
