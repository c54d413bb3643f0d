import { isLarger } from "./encoded-size.ts";
import { SluiceError } from "./errors.ts";
import { checkFields, readFields } from "./event.ts";
import type { Fields, ServerSentEvent, ValidFields } from "./event.ts";

/** The largest event that {@link encodeEvent} and {@link EventEncoderStream} make, in bytes of UTF-8: 128 MiB. */
export const MAX_ENCODED_BYTES = 134_217_728;

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
 * @throws {SluiceError} `invalid-field`, with the `field` that the wire cannot carry or does not have; `too-large`, before
 * any of it is encoded, for an event over {@link MAX_ENCODED_BYTES}
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
  const fields = readFields(event);
  checkFields(fields);
  if (isLarger(fields, MAX_ENCODED_BYTES)) {
    throw new SluiceError(
      "too-large",
      `Cannot encode event: encoded, it is over MAX_ENCODED_BYTES (${MAX_ENCODED_BYTES} bytes); split it`,
      { option: "MAX_ENCODED_BYTES" },
    );
  }
  return encodeValid(fields);
}

/** As {@link encodeEvent}, of fields that have been read, and of any size. */
export function encodeFields(fields: Fields): string {
  checkFields(fields);
  return encodeValid(fields);
}

/** As {@link encodeFields}, of fields that have been checked. */
export function encodeValid({ event, data, id, retry, comment }: ValidFields): string {
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
