import type { ServerResponse } from "node:http";
import type { Http2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { NodeResponse } from "./response-sink.ts";

/**
 * Breaks a response off behind all that was written to it: the client gets that, and can tell that it is not all. `drain` is
 * emitted once the last bytes have left.
 */
export function breakOff(res: NodeResponse): void {
  // A compressing middleware was flushed behind the last write, and says nothing when it has passed that on.
  if ("flush" in res) setTimeout(breakOffNow, COMPRESSING, res).unref();
  else breakOffNow(res);
}

function breakOffNow(res: NodeResponse): void {
  const onFlushed = (): boolean => res.emit("drain");
  if ("stream" in res) {
    const { stream } = res;
    // What lies in the stream when it is reset is dropped. This write comes behind it.
    stream?.write("", () => {
      onFlushed();
      reset(stream);
    });
  } else if (res.socket !== null) {
    breakOffSocket(res, res.socket, onFlushed);
  }
}

function breakOffSocket(res: ServerResponse, socket: Socket, onFlushed: () => void): void {
  // Of a chunked body the last chunk is missing. Any other, to a client of HTTP/1.0, is complete when its connection ends,
  // unless that is reset.
  if (res.chunkedEncoding) {
    socket.end(() => {
      onFlushed();
      lingerThenClose(socket);
    });
  } else {
    socket.write("", () => {
      onFlushed();
      // What the kernel has yet to send is lost with a reset.
      const timer = setTimeout(() => resetSocket(socket), LINGER).unref();
      socket.once("close", () => clearTimeout(timer));
    });
  }
}

/**
 * Closing at once would reset the connection where the client still sends something, and what is on its way to it would be
 * lost: it closes by itself when it has seen the end.
 */
function lingerThenClose(socket: Socket): void {
  let read = socket.bytesRead;
  let left = MOST_LINGERS;
  const timer = setInterval(() => {
    if (socket.bytesRead === read || --left === 0) socket.destroy();
    read = socket.bytesRead;
  }, LINGER).unref();
  socket.once("close", () => clearInterval(timer));
}

/** Cuts one stream of an HTTP/2 session off. Its own `close()` ends it first, as if it were complete, where nothing is pending. */
export function reset(stream: Http2Stream): void {
  stream.destroy(new Error("The event stream was broken off"));
}

function resetSocket(socket: Socket): void {
  try {
    socket.resetAndDestroy();
  } catch {
    socket.destroy(); // not TCP: TLS tells by itself that it was cut, and a Unix socket cannot
  }
}

/** In ms: what a compressor needs for what it holds. */
const COMPRESSING = 100;

/** In ms, and how many times at the most, where the client goes on sending. */
const LINGER = 1000;
const MOST_LINGERS = 30;
