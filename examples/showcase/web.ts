/**
 * A stream's response that can be broken: where there is no socket to reset, its body fails in the middle. That the client
 * has no room, and that it leaves, is passed on.
 */
function breakable(response: Response): { readonly response: Response; readonly cut: () => void } {
  if (response.body === null) return { response, cut: () => {} };
  const reader = response.body.getReader();
  let breakOff!: (reason: unknown) => void;
  const body = new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        breakOff = (reason) => controller.error(reason);
      },
      pull: async (controller) => {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
  return {
    response: new Response(body, response),
    cut: () => {
      // No Error: of that, the runtime would show the stack on its terminal.
      const reason = "A connection was cut, as its page had asked";
      breakOff(reason);
      void reader.cancel(reason).catch(() => {});
    },
  };
}

/**
 * Answers with what `mount` has found, on platforms that take a `Response`.
 *
 * @param run calls the handler that a stream's adapter has made
 */
export async function answerWith<Handler>(
  answer: (request: Request, key: object, cut: () => void) => Promise<Response | Handler>,
  request: Request,
  run: (handler: Handler) => Promise<Response>,
): Promise<Response> {
  let cut = (): void => {};
  const answered = await answer(request, request, () => cut());
  if (answered instanceof Response) return answered;
  const stream = breakable(await run(answered));
  cut = stream.cut;
  return stream.response;
}
