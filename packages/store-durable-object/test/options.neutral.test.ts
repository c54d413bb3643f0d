import { SluiceError } from "@sluice/core";
import { durableObjectStore } from "@sluice/store-durable-object";
import type { DurableObjectStoreOptions, Storage } from "@sluice/store-durable-object";
import { expect, test } from "vitest";

// What it does is tested in workerd, in tests/workerd; this is what it refuses.
const storage = { sql: {}, transactionSync: () => {}, sync: () => {} } as unknown as Storage;

/** As classes have it that are not in `new_sqlite_classes`. */
const keyValueStorage = {
  get sql(): never {
    throw new Error("SQL is not enabled for this Durable Object class");
  },
  transactionSync: () => {},
};

test.each<[option: string, problem: string, options: object]>([
  ["storage", "is missing", {}],
  ["storage", "make it the storage of a Durable Object", { storage: {} }],
  ["storage", "new_sqlite_classes", { storage: keyValueStorage }],
  ["retention", "make it an object", { storage, retention: 1000 }],
  ["maxEvents", "make it a positive integer", { storage, retention: { maxEvents: 0 } }],
  ["maxBytes", "make it a positive integer", { storage, retention: { maxBytes: Infinity } }],
  ["maxAge", "make it a positive number of ms", { storage, retention: { maxAge: "1h" } }],
  ["maxIdle", "make it a positive number of ms", { storage, maxIdle: -1 }],
  ["maxProducers", "make it a positive integer", { storage, maxProducers: 1.5 }],
  ["maxClosed", "make it a positive integer", { storage, maxClosed: -1 }],
  ["path", "there is no option", { storage, path: "events.db" }],
])("refuses %s: %s", (option, problem, options) => {
  const create = (): unknown => durableObjectStore(options as DurableObjectStoreOptions);
  expect(create).toThrow(SluiceError);
  expect(create).toThrow(problem);
  expect(create).toThrow(expect.objectContaining({ code: "invalid-option", option }));
});

test("takes options that are undefined for those that are left out", () => {
  expect(durableObjectStore({ storage, retention: undefined, maxIdle: undefined }).durability).toBe("sync");
});

test("is unavailable once it has been closed", async () => {
  const store = durableObjectStore({ storage });
  await store.close();
  const watching = new AbortController();
  for (const call of [
    () => store.append("c", []),
    () => store.read("c", "start"),
    () => store.tails(["c"]),
    () => store.watch("c", () => {}, watching.signal),
    () => store.drop("c"),
  ]) {
    await expect(call()).rejects.toMatchObject({ code: "unavailable" });
  }
});
