import { expect, test } from "vitest";
import { TextLog } from "../src/text-log.ts";
import type { TextPlace } from "../src/text-log.ts";

const alphabets = ["a", "é", "€", "😀", "a😀é\n€", "\uFEFF", ""];

test("gives back every text that was not trimmed, however it lies across blocks", () => {
  const log = new TextLog();
  const kept: { readonly text: string; readonly place: TextPlace }[] = [];
  for (let i = 0; i < 3000; i++) {
    const text = (alphabets[i % alphabets.length] as string).repeat((i * 7919) % 400) + `${i}`.repeat(i % 3);
    kept.push({ text, place: log.push(text) });
    if (i % 100 === 50) {
      kept.splice(0, i % 70);
      log.trim(kept[0]?.place);
    }
    if (i % 500 === 250) for (const each of kept) expect(log.at(each.place)).toBe(each.text);
  }
});

test("takes a text that is larger than any block, and begins anew when nothing is kept", () => {
  const log = new TextLog();
  for (let i = 0; i < 5; i++) {
    const text = `${i}€😀`.repeat(60_000);
    const before = log.push("before");
    const place = log.push(text);
    const after = log.push("after");
    expect(log.at(before)).toBe("before");
    expect(log.at(place) === text).toBe(true);
    log.trim(after);
    expect(log.at(after)).toBe("after");
    log.trim(undefined);
    expect(log.at(log.push(""))).toBe("");
  }
});
