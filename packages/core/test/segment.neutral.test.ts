import { expect, test } from "vitest";
import type { Segment } from "../src/segment.ts";
import { EncodedEvent, eventSegment, eventText, isToldByBytes, underCursors } from "../src/segment.ts";

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

const decode = (bytes: Uint8Array): string => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

test.each(texts)("an event can be made of its bytes: %j", (data) => {
  for (const event of [undefined, "é-ticked"]) {
    for (const key of [undefined, "k"]) {
      const item = {
        type: "event",
        id: "e.a1aaaa",
        channel: "c",
        ...(event && { event }),
        data,
        ...(key && { key }),
        at: 1,
      } as const;
      const plain = eventSegment(item);
      const text = decode(plain.bytes);
      expect(text).toBe(eventText(item).join("").toWellFormed());
      expect(text.startsWith("id: e.a1aaaa\n")).toBe(true);
      const encoded = new EncodedEvent(plain.bytes, isToldByBytes(item) ? { channel: "c", at: 1, key } : item);
      expect(encoded.position).toBe("e.a1aaaa");
      const segments: readonly Segment[] = [plain, encoded];
      for (const segment of segments) {
        expect(segment.item).toEqual(item);
        expect(segment.item).toBe(segment.item);
        expect(Object.isFrozen(segment.item)).toBe(true);
        expect([segment.key, segment.position, segment.bytes]).toEqual([key, "e.a1aaaa", plain.bytes]);
      }
      const renamed = underCursors([encoded], () => "other", 1);
      expect(renamed.segments.map((segment) => segment.item)).toEqual([{ ...item, id: "other" }]);
      expect(decode(renamed.bytes)).toBe(text.replace("e.a1aaaa", "other"));
    }
  }
});
