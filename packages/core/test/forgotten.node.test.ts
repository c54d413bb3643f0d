import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { eventStream } from "@sluice/core";
import { expect, onTestFinished, test, vi } from "vitest";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("a handler that is let go and was never called is warned of once, and others are not", async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  onTestFinished(() => warn.mockRestore());
  const mounted = eventStream(() => []);
  await (async () => {
    const response = await eventStream(() => [])(new Request("http://localhost/", { method: "POST" }));
    await response.text();
  })();
  await turns(20);
  expect(warn).not.toHaveBeenCalled();

  // As in `app.get("/", (req, res) => eventStream(source))`.
  const forget = (): unknown => eventStream(() => []);
  for (let request = 0; request < 10; request++) forget();
  await expect
    .poll(() => {
      collectGarbage();
      return warn.mock.calls;
    })
    .toEqual([[expect.stringContaining("a handler made by eventStream was never called")]]);
  await turns(5);
  expect(warn).toHaveBeenCalledTimes(1);
  expect(mounted).toBeTypeOf("function");
});
