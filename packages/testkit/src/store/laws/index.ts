import { cursors } from "./cursors.ts";
import { faults } from "./faults.ts";
import type { Laws } from "./law.ts";
import { order } from "./order.ts";
import { reading } from "./reading.ts";
import { retention } from "./retention.ts";
import { writing } from "./writing.ts";

/** What every store keeps to, by name, in the order of their numbers; the doorbell's own comes last. */
export const laws: Laws = Object.fromEntries(
  [order, reading, cursors, writing, retention, faults]
    .flatMap((topic) => Object.entries(topic))
    .toSorted(([one], [other]) => numberOf(one) - numberOf(other)),
);

function numberOf(name: string): number {
  return Number(/^law (\d+):/.exec(name)?.[1] ?? Infinity);
}
