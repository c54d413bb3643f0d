// Runs before every documentation example (scripts/test-docs.ts).
import { Server } from "node:net";

// An example says what it expects with console.assert, which by itself only prints.
console.assert = (condition?: unknown, ...about: unknown[]): void => {
  if (!condition) throw new Error(["Assertion failed", ...about].join(" "));
};

// An example may say listen(3000), as a reader would; here any free port will do.
const { prototype } = Server as unknown as { prototype: { listen: (...args: unknown[]) => Server } };
const { listen } = prototype;
prototype.listen = function (port, ...rest) {
  if (typeof port === "number") return listen.call(this, 0, ...rest);
  return listen.call(this, typeof port === "object" ? { ...port, port: 0 } : port, ...rest);
};
