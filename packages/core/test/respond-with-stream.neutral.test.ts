import { expect, test } from "vitest";
import { createResponder, respondWithStream } from "../src/index.ts";
import type { EventStreamOptions, ServerSentEvent, Source } from "../src/index.ts";

const request = (): Request => new Request("http://localhost/", { method: "POST" });

test("is done when the client has gone and the source has cleaned up, and not before", async () => {
  const steps: string[] = [];
  const cleanUp = Promise.withResolvers<void>();
  const { response, writer, done } = respond(async function* ({ signal }) {
    try {
      yield { data: "ready" };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    } finally {
      await cleanUp.promise;
      steps.push("cleaned up");
    }
  });
  const reader = (await response).body?.getReader();
  await reader?.read();
  await reader?.read();
  void done.then(() => steps.push("done"));
  writer?.gone();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(steps).toEqual([]);
  cleanUp.resolve();
  await done;
  expect(steps).toEqual(["cleaned up", "done"]);
});

test("is done when a generator that works on has returned", async () => {
  let returned = false;
  const { response, done } = respond(async function* () {
    try {
      for (;;) yield { data: "more" };
    } finally {
      await new Promise((resolve) => setTimeout(resolve, 20));
      returned = true;
    }
  });
  const reader = (await response).body?.getReader();
  await reader?.read();
  await reader?.read();
  await reader?.cancel();
  await done;
  expect(returned).toBe(true);
});

test("is done when the stream that a source has returned has been cancelled, whatever cancelling throws", async () => {
  const errors: unknown[] = [];
  const { response, done } = respond(
    () =>
      new ReadableStream<ServerSentEvent>({
        async cancel() {
          await new Promise((resolve) => setTimeout(resolve, 20));
          throw new Error("no");
        },
      }),
    { onError: (error) => errors.push(error) },
  );
  await (await response).body?.cancel();
  await done;
  expect(errors).toEqual([new Error("no")]);
});

test("is done when a refused request has been answered", async () => {
  const { response, done } = respond(() => [], { authorize: () => false });
  expect((await response).status).toBe(403);
  await done;
});

test("is done when otherwise has answered, or has failed", async () => {
  const passed = respond(() => [], { otherwise: () => new Response("a page") });
  expect(await (await passed.response).text()).toBe("a page");
  expect(passed.writer).toBeUndefined();
  await passed.done;

  const failed = respond(() => [], {
    otherwise: () => {
      throw new Error("no page");
    },
  });
  await expect(failed.response).rejects.toThrow("no page");
  await failed.done;
});

test("says before the body ends that it will", async () => {
  const steps: string[] = [];
  const responder = createResponder(() => [{ data: "hello" }]);
  const options = { onEnd: () => steps.push("onEnd"), onAbort: () => steps.push("onAbort") };
  const { response, done } = respondWithStream(responder, request(), undefined, options);
  const reader = (await response).body?.getReader();
  void reader?.closed.then(() => steps.push("closed"));
  while (!(await reader?.read())?.done) expect(steps).toEqual([]);
  await done;
  expect(steps).toEqual(["onEnd", "closed"]);
});

test("says that the body of a client that takes nothing has been broken off", async () => {
  const aborted = Promise.withResolvers<void>();
  const responder = createResponder(() => [{ data: "taken by nobody" }], { writeDeadline: 20 });
  const { response } = respondWithStream(responder, request(), undefined, { onAbort: () => aborted.resolve() });
  const { body } = await response;
  await aborted.promise;
  await expect(body?.getReader().read()).rejects.toThrow("broken off");
});

function respond(
  source: Source<undefined>,
  options?: EventStreamOptions<undefined>,
): ReturnType<typeof respondWithStream> {
  return respondWithStream(createResponder(source, options), request(), undefined);
}
