import { expect, test } from "vitest";
import { eventSegment, withId } from "../src/segment.ts";

const texts = [
  "",
  "one",
  "\uFEFFone",
  " one",
  "one\ntwo",
  "\n",
  "one\n\n",
  "a\ndata: b",
  "data: ",
  "a\r\nb\rc",
  "\uD800",
  "€😀",
];

test.each(texts)("an event is the same after its data has become bytes: %j", (data) => {
  for (const event of [undefined, "é-ticked"]) {
    const item = {
      type: "event",
      id: "e.a1aaaa",
      channel: "c",
      ...(event && { event }),
      data,
      key: "k",
      at: 1,
    } as const;
    const segment = eventSegment(item);
    const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(segment.bytes);
    expect(text.startsWith("id: e.a1aaaa\n")).toBe(true);
    expect(segment.bodyAt).toBe("id: e.a1aaaa\n".length);
    expect(segment.item).toEqual(item);
    expect(segment.item).toBe(segment.item);
    const renamed = withId(segment, "other");
    expect(renamed.item).toEqual({ ...item, id: "other" });
    expect(new TextDecoder("utf-8", { ignoreBOM: true }).decode(renamed.bytes)).toBe(text.replace("e.a1aaaa", "other"));
  }
});
