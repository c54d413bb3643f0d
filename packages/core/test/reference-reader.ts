import type { DecodedEvent } from "../src/index.ts";

/** What a reader makes of a stream: its events in order, and the two values that outlive them. */
export interface Reading {
  readonly events: readonly DecodedEvent[];
  readonly lastEventId: string;
  readonly reconnectionTime: number | undefined;
}

/**
 * The HTML Standard's section 9.2.6, written down step by step over a whole stream, with no thought for speed and none
 * of the code under test.
 */
export function referenceReading(bytes: Uint8Array): Reading {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes).replace(/^\uFEFF/, "");
  const lines = text.split(/\r\n|\r|\n/);
  lines.pop();
  const events: DecodedEvent[] = [];
  let lastEventId = "";
  let reconnectionTime: number | undefined;
  let data = "";
  let type = "";
  let id: string | undefined;
  for (const line of lines) {
    if (line === "") {
      if (id !== undefined) lastEventId = id;
      if (data !== "") {
        const named = { ...(type === "" ? {} : { event: type }), ...(id === undefined ? {} : { id }) };
        events.push({ ...named, data: data.slice(0, -1) });
      }
      data = type = "";
      id = undefined;
      continue;
    }
    const [, name, value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) as unknown as [string, string, string?];
    if (name === "event") type = value;
    if (name === "data") data += `${value}\n`;
    if (name === "id" && !value.includes("\0")) id = value;
    if (name === "retry" && /^[0-9]+$/.test(value)) {
      reconnectionTime = Math.min(Number(value), Number.MAX_SAFE_INTEGER);
    }
  }
  return { events, lastEventId, reconnectionTime };
}
