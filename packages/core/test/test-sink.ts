import { createResponder } from "../src/index.ts";
import type { EventStreamOptions, RespondingWriter, Sink, Source } from "../src/index.ts";

/** A platform's response, which takes as much as it is told to. */
export class TestSink implements Sink {
  buffered = 0;
  headers: Headers | undefined = undefined;
  writes: Uint8Array[] = [];
  /** What a write answers. */
  hasRoom = true;
  onWrite = (): void => {};
  writer!: RespondingWriter;

  open(_status: number, headers: Headers): void {
    this.headers = headers;
  }
  end(): void {}
  abort(): void {}

  write(bytes: Uint8Array<ArrayBuffer>): boolean {
    this.writes.push(bytes);
    this.onWrite();
    return this.hasRoom;
  }

  get text(): string {
    return this.writes.map((bytes) => new TextDecoder().decode(bytes)).join("");
  }

  get data(): string[] {
    return [...this.text.matchAll(/^data: (?!\{)(.*)$/gm)].map(([, data = ""]) => data);
  }
}

/** Answers a request through the sink: a channel begins at the start of its log, nothing is written while nothing happens. */
export function respondThrough(
  sink: TestSink,
  source: Source,
  options: EventStreamOptions = {},
  lastEventId?: string,
): void {
  const responder = createResponder(source, {
    keepAlive: false,
    retry: false,
    start: "start",
    onError: () => {},
    ...options,
  });
  const headers = new Headers(lastEventId === undefined ? {} : { "Last-Event-ID": lastEventId });
  const exchange = { method: "GET", url: new URL("http://localhost/"), headers, native: undefined };
  sink.writer = responder.respond(exchange, sink);
}
