import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createWriter, SluiceError } from "../src/index.ts";
import type { Sink, Writer, WriterOptions } from "../src/index.ts";

/** A sink that records, and takes `room` more writes before it is full. */
class RecordingSink implements Sink {
  writes: Uint8Array[] = [];
  room = Infinity;
  buffered = 0;
  ended = false;
  aborted = false;

  open(): void {}
  write(bytes: Uint8Array): boolean {
    this.writes.push(bytes);
    this.room--;
    if (this.room <= 0) this.buffered += bytes.length;
    return this.room > 0;
  }
  end(): void {
    this.ended = true;
  }
  abort(): void {
    this.aborted = true;
  }

  get text(): string {
    return this.writes.map((bytes) => new TextDecoder().decode(bytes)).join("");
  }
}

function setUp(options: WriterOptions = {}): { sink: RecordingSink; writer: Writer } {
  const sink = new RecordingSink();
  return { sink, writer: createWriter(sink, options) };
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof SluiceError ? `${error.code}/${error.reason ?? error.option ?? error.field}` : "resolved";
}

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const marker = Symbol();
  return (await Promise.race([promise, Promise.resolve(marker)])) === marker;
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0); // no timer outlives its connection
  vi.useRealTimers();
});

describe("room", () => {
  test("with room an event is written at once and send resolves", async () => {
    const { sink, writer } = setUp();
    await writer.send({ data: "a" });
    expect(sink.text).toBe("data: a\n\n");
    writer.gone();
  });

  test("a full sink holds send back until it has drained", async () => {
    const { sink, writer } = setUp();
    sink.room = 1;
    const first = writer.send({ data: "a" });
    expect(await isPending(first)).toBe(true);
    sink.room = 1;
    writer.drained();
    await first;
    expect(sink.text).toBe("data: a\n\n");
    writer.gone();
  });

  test("what waited goes out in one write, in order, and all senders are released together", async () => {
    const { sink, writer } = setUp();
    sink.room = 1;
    const sends = ["a", "b", "c", "d"].map((data) => writer.send({ data }));
    expect(sink.writes.length).toBe(1);
    sink.room = Infinity;
    writer.drained();
    await Promise.all(sends);
    expect(sink.writes.length).toBe(2);
    expect(sink.text).toBe("data: a\n\ndata: b\n\ndata: c\n\ndata: d\n\n");
    writer.gone();
  });

  test("a write takes at most maxWriteBytes: whole events joined, a larger event in parts", async () => {
    const { sink, writer } = setUp({ maxWriteBytes: 20 });
    sink.room = 1;
    void writer.send({ data: "x" });
    for (const data of ["one", "two", "a very long line of data, longer than one write may be", "z"]) {
      void writer.send({ data });
    }
    sink.room = Infinity;
    writer.drained();
    expect(sink.writes.every((bytes) => bytes.length <= 20)).toBe(true);
    expect(sink.text).toBe(
      "data: x\n\ndata: one\n\ndata: two\n\ndata: a very long line of data, longer than one write may be\n\ndata: z\n\n",
    );
    writer.gone();
  });

  test("a sink that calls drained() from within write() is not left waiting", async () => {
    const sink = new RecordingSink();
    const writer = createWriter({
      buffered: 0,
      open() {},
      write(bytes) {
        sink.write(bytes);
        writer.drained();
        return false;
      },
      end: () => sink.end(),
      abort() {},
    });
    await writer.send({ data: "a" });
    await writer.send({ data: "b" });
    writer.end("finished");
    expect(await writer.closed).toBe("finished");
    expect(sink.ended).toBe(true);
  });
});

describe("limits", () => {
  test("an event over maxEventBytes is refused whole, and the next one goes out", async () => {
    const { sink, writer } = setUp({ maxEventBytes: 20 });
    expect(await codeOf(writer.send({ data: "x".repeat(13) }))).toBe("too-large/maxEventBytes");
    await writer.send({ data: "x".repeat(12) });
    expect(sink.text).toBe(`data: ${"x".repeat(12)}\n\n`);
    writer.gone();
  });

  test("sending on without waiting ends the connection before a hole can open", async () => {
    const { sink, writer } = setUp({ maxPendingBytes: 1400 });
    sink.room = 1;
    const sends = Array.from({ length: 50 }, (_, i) => writer.send({ data: `event ${i}` }));
    const outcomes = await Promise.all(sends.map(codeOf));
    expect(new Set(outcomes.slice(0, 7))).toEqual(new Set(["overflow/overflow"]));
    expect(new Set(outcomes.slice(8))).toEqual(new Set(["connection-closed/overflow"]));
    expect(await writer.closed).toBe("overflow");
    expect(sink.aborted).toBe(true);
    expect(sink.text).toBe("data: event 0\n\n");
  });

  test("one event of any allowed size may always wait", async () => {
    const { sink, writer } = setUp({ maxPendingBytes: 10 });
    sink.room = 1;
    void writer.send({ data: "first" });
    const second = writer.send({ data: "x".repeat(1000) });
    sink.room = Infinity;
    writer.drained();
    await second;
    expect(sink.text).toContain("x".repeat(1000));
    writer.gone();
  });
});

describe("the end", () => {
  test("end waits until all that was sent has been taken", async () => {
    const { sink, writer } = setUp();
    sink.room = 1;
    void writer.send({ data: "a" });
    void writer.send({ data: "b" });
    writer.end("finished");
    expect(sink.ended).toBe(false);
    expect(await codeOf(writer.send({ data: "late" }))).toBe("connection-closed/finished");
    sink.room = Infinity;
    sink.buffered = 0;
    writer.drained();
    expect(sink.ended).toBe(true);
    expect(sink.text).toBe("data: a\n\ndata: b\n\n");
    expect(await writer.closed).toBe("finished");
  });

  test("a client that leaves before the last bytes has disconnected, not finished", async () => {
    const { sink, writer } = setUp();
    sink.room = 1;
    void writer.send({ data: "a" });
    void writer.send({ data: "b" });
    writer.end("finished");
    writer.gone();
    expect(await writer.closed).toBe("disconnected");
    expect(sink.ended).toBe(false);
  });

  test("it is over when the last bytes have left, and not before", async () => {
    const { sink, writer } = setUp();
    await writer.send({ data: "a" });
    sink.buffered = 9; // taken with room, but not passed on
    writer.end("finished");
    expect([sink.ended, writer.reason]).toEqual([true, undefined]);
    sink.buffered = 0;
    writer.drained();
    expect(await writer.closed).toBe("finished");
  });

  test("a client that does not take the last bytes is cut off by the deadline, also when the response has ended", async () => {
    const { sink, writer } = setUp({ writeDeadline: 1000 });
    await writer.send({ data: "a" });
    sink.buffered = 9;
    writer.end("finished");
    await vi.advanceTimersByTimeAsync(1000);
    expect(await writer.closed).toBe("write-deadline");
    expect(sink.aborted).toBe(true);
  });

  test("it ends once, for the reason that came first", async () => {
    const { sink, writer } = setUp();
    await writer.send({ data: "a" });
    writer.gone("write-failed");
    writer.gone();
    writer.abort("drained");
    writer.end("finished");
    writer.drained();
    expect(await writer.closed).toBe("write-failed");
    expect(writer.reason).toBe("write-failed");
    expect(sink.aborted).toBe(false);
    expect(sink.ended).toBe(false);
  });

  test("waiting sends and later ones are rejected with the reason", async () => {
    const { sink, writer } = setUp();
    sink.room = 1;
    const waiting = writer.send({ data: "a" });
    writer.gone();
    expect(await codeOf(waiting)).toBe("connection-closed/disconnected");
    expect(await codeOf(writer.send({ data: "b" }))).toBe("connection-closed/disconnected");
  });

  test("a sink that throws ends the connection with write-failed", async () => {
    const sink = new RecordingSink();
    sink.write = () => {
      throw new Error("broken pipe");
    };
    const writer = createWriter(sink);
    expect(await codeOf(writer.send({ data: "a" }))).toBe("connection-closed/write-failed");
    expect(await writer.closed).toBe("write-failed");
    expect(sink.aborted).toBe(true);
  });

  test("a rejection that nobody waits for is not unhandled", async () => {
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    const { sink, writer } = setUp();
    sink.room = 1;
    void writer.send({ data: "waiting" });
    void writer.send({ id: "a\nb", data: "invalid" });
    writer.gone();
    void writer.send({ data: "late" });
    vi.useRealTimers();
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", unhandled);
    vi.useFakeTimers();
    expect(unhandled).not.toHaveBeenCalled();
  });
});

describe("keep-alive", () => {
  test("a comment goes out after so long without a write, and again", async () => {
    const { sink, writer } = setUp({ keepAlive: 1000 });
    await writer.send({ data: "a" });
    await vi.advanceTimersByTimeAsync(999);
    expect(sink.text).toBe("data: a\n\n");
    await vi.advanceTimersByTimeAsync(1);
    expect(sink.text).toBe("data: a\n\n:\n");
    await vi.advanceTimersByTimeAsync(2000);
    expect(sink.text).toBe("data: a\n\n:\n:\n:\n");
    writer.gone();
  });

  test("a write puts it off", async () => {
    const { sink, writer } = setUp({ keepAlive: 1000 });
    await writer.send({ data: "a" });
    await vi.advanceTimersByTimeAsync(600);
    await writer.send({ data: "b" });
    await vi.advanceTimersByTimeAsync(999);
    expect(sink.text).not.toContain(":\n");
    expect(sink.writes.length).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(sink.writes.length).toBe(3);
    writer.gone();
  });

  test("nothing starts before the first send, and false means never", async () => {
    const { writer } = setUp({ keepAlive: 1000 });
    expect(vi.getTimerCount()).toBe(0);
    writer.gone();
    const never = setUp({ keepAlive: false });
    await never.writer.send({ data: "a" });
    expect(vi.getTimerCount()).toBe(0);
    never.writer.gone();
  });

  test("a full client is not written to", async () => {
    const { sink, writer } = setUp({ keepAlive: 1000, writeDeadline: false });
    sink.room = 1;
    void writer.send({ data: "a" });
    await vi.advanceTimersByTimeAsync(5000);
    expect(sink.writes.length).toBe(1);
    sink.room = Infinity;
    writer.drained();
    await vi.advanceTimersByTimeAsync(1000);
    expect(sink.writes.length).toBe(2);
    writer.gone();
  });
});

describe("the write deadline", () => {
  test("a client that takes nothing is cut off, with its own reason", async () => {
    const { sink, writer } = setUp({ writeDeadline: 3000 });
    sink.room = 1;
    const waiting = writer.send({ data: "a" });
    await vi.advanceTimersByTimeAsync(2999);
    expect(writer.reason).toBe(undefined);
    await vi.advanceTimersByTimeAsync(1);
    expect(await writer.closed).toBe("write-deadline");
    expect(sink.aborted).toBe(true);
    expect(await codeOf(waiting)).toBe("connection-closed/write-deadline");
  });

  test("a slow client that takes some is not", async () => {
    const { sink, writer } = setUp({ writeDeadline: 3000 });
    sink.room = 1;
    void writer.send({ data: "a".repeat(100) });
    for (let i = 0; i < 10; i++) {
      await vi.advanceTimersByTimeAsync(2900);
      sink.buffered -= 5;
    }
    expect(writer.reason).toBe(undefined);
    await vi.advanceTimersByTimeAsync(6001);
    expect(await writer.closed).toBe("write-deadline");
  });

  test("it also covers the end: what was sent must be taken", async () => {
    const { sink, writer } = setUp({ writeDeadline: 3000 });
    sink.room = 1;
    void writer.send({ data: "a" });
    writer.end("finished");
    await vi.advanceTimersByTimeAsync(3000);
    expect(await writer.closed).toBe("write-deadline");
  });

  test("it starts anew each time the sink is full", async () => {
    const { sink, writer } = setUp({ writeDeadline: 3000, keepAlive: false });
    for (let i = 0; i < 5; i++) {
      sink.room = 1;
      void writer.send({ data: "a" });
      await vi.advanceTimersByTimeAsync(2000);
      writer.drained();
    }
    expect(writer.reason).toBe(undefined);
    writer.gone();
  });

  test("false means never", async () => {
    const { sink, writer } = setUp({ writeDeadline: false, keepAlive: false });
    sink.room = 1;
    void writer.send({ data: "a" });
    await vi.advanceTimersByTimeAsync(1e9);
    expect(writer.reason).toBe(undefined);
    writer.gone();
  });
});

test("options are checked when the writer is made", () => {
  expect(() => setUp({ maxWriteBytes: 0 })).toThrow(
    "Cannot create writer: maxWriteBytes is 0; make it a positive integer",
  );
  expect(() => setUp({ keepalive: 1 } as WriterOptions)).toThrow("did you mean keepAlive?");
});
