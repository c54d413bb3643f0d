import { expect, test } from "vitest";
import { createResponder, respondWithStream } from "../src/index.ts";
import type { CloseReason, Connection, EventStreamOptions, ServerSentEvent, Source } from "../src/index.ts";

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

test("is over when the platform has asked for more than what was sent last, and not when it has taken that", async () => {
  let connection: Connection | undefined;
  const { response } = respond(async (open) => {
    connection = open;
    await open.send({ data: "first" });
    await new Promise((resolve) => setTimeout(resolve, 20));
    await open.send({ data: "last" });
  });
  const reader = (await response).body?.getReader();
  for (let text = ""; !text.includes("last");) text += new TextDecoder().decode((await reader?.read())?.value);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(connection?.reason).toBeUndefined();
  expect((await reader?.read())?.done).toBe(true);
  expect(await connection?.closed).toBe("finished");
});

test("cuts off a client that does not ask for more after what was sent last", async () => {
  const closed = Promise.withResolvers<CloseReason>();
  const { response } = respond(
    (connection) => {
      closed.resolve(connection.closed);
      return [{ data: "hello" }];
    },
    { writeDeadline: 20 },
  );
  const reader = (await response).body?.getReader();
  // The platform waits for each when it comes, and takes it at once.
  await reader?.read();
  await reader?.read();
  expect(await closed.promise).toBe("write-deadline");
});

test("gives a platform that waits all there is, and one that does not a single write", async () => {
  let sent = 0;
  const { response, writer } = respond(async ({ send, signal }) => {
    while (!signal.aborted) {
      await send({ data: `${sent}` });
      sent++;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  });
  const reader = (await response).body?.getReader();
  const decoder = new TextDecoder();
  let text = decoder.decode((await reader?.read())?.value).replace(/^:\n/, "");
  const read = async (): Promise<void> => {
    text += decoder.decode((await reader?.read())?.value);
  };
  for (let i = 0; i < 20; i++) await read();
  const before = sent;
  await new Promise((resolve) => setTimeout(resolve, 20));
  // One that the platform has taken when it waited last, and one that lies in the stream.
  expect(sent - before).toBeLessThanOrEqual(2);
  for (let i = 0; i < 20; i++) await read();
  const seen = text.match(/\d+/g)?.map(Number);
  expect(seen).toEqual(Array.from({ length: seen?.length ?? 0 }, (_, i) => i));
  expect(seen?.length).toBeGreaterThanOrEqual(40);
  writer?.gone();
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
