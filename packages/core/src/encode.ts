import { checkFields, readFields } from "./event.ts";
import type { Fields, ServerSentEvent } from "./event.ts";

/**
 * Encodes one event as the text of an event stream, with the blank line that ends it.
 *
 * What a conforming reader makes of the text equals the event, or this throws: no value of any field can add a field,
 * a line or an event. CR and CRLF in `data` and `comment` become LF, which is all that the wire can carry; a lone
 * surrogate becomes U+FFFD, as in every UTF-8 encoder.
 *
 * @param event its `data` must be a string already; `eventStream` serialises other values before it comes here
 * @returns the lines of the event, each ended by LF, and an empty line; none where there is only a `comment` or a `retry`,
 * which need none
 * @throws {SluiceError} `invalid-field`, with the `field` that the wire cannot carry
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 *
 * @example
 * ```ts
 * import { encodeEvent } from "@sluice/core";
 *
 * const text = encodeEvent({ event: "greeting", id: "7", data: "hello\nworld" });
 * console.assert(text === "event: greeting\nid: 7\ndata: hello\ndata: world\n\n");
 * ```
 */
export function encodeEvent(event: ServerSentEvent<string>): string {
  return encodeFields(readFields(event));
}

/** As {@link encodeEvent}, of fields that have been read. */
export function encodeFields(fields: Fields): string {
  checkFields(fields);
  const { event, data, id, retry, comment } = fields;
  let text = "";
  if (comment !== undefined) text += lines("", comment);
  if (event !== undefined) text += `event: ${event}\n`;
  if (id !== undefined) text += `id: ${id}\n`;
  if (retry !== undefined) text += `retry: ${retry}\n`;
  if (data !== undefined) text += lines("data", data);
  // A comment and a `retry` count as soon as their line ends. A blank line behind them would be an empty block, which some
  // readers take for an event.
  if (event !== undefined || id !== undefined || data !== undefined) text += "\n";
  return text.toWellFormed();
}

/**
 * Events in, bytes of an event stream out: a `TransformStream` around {@link encodeEvent}.
 *
 * An event that cannot be encoded errors the stream with that event's `SluiceError`.
 *
 * @example
 * ```ts
 * import { EventEncoderStream } from "@sluice/core";
 *
 * const events = new ReadableStream({
 *   start(controller) {
 *     controller.enqueue({ data: "one" });
 *     controller.close();
 *   },
 * });
 * const text = await new Response(events.pipeThrough(new EventEncoderStream())).text();
 * console.assert(text === "data: one\n\n");
 * ```
 */
export class EventEncoderStream extends TransformStream<ServerSentEvent<string>, Uint8Array<ArrayBuffer>> {
  constructor() {
    const utf8 = new TextEncoder();
    super({
      transform(event, controller): void {
        controller.enqueue(utf8.encode(encodeEvent(event)));
      },
    });
  }
}

// One space after each colon: a reader removes exactly one, so a value that starts with a space or a BOM survives.
function lines(name: string, value: string): string {
  const single = `${name}: ${value}\n`;
  if (!value.includes("\n") && !value.includes("\r")) return single;
  // Not split into lines: an array of millions of strings would take many times their length.
  return single.slice(0, -1).replace(/\r\n|\r|\n/g, `\n${name}: `) + "\n";
}
