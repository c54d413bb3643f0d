import { expect, test } from "vitest";
import { TextLog } from "../src/text-log.ts";

const alphabets = ["a", "é", "€", "😀", "a😀é\n€", "\uFEFF", ""];

/** Where a text lies. */
function push(log: TextLog, text: string): readonly [from: number, to: number] {
  const from = log.end;
  log.push(text);
  return [from, log.end];
}

test("gives back every text that was not trimmed, however it lies across blocks", () => {
  const log = new TextLog();
  const kept: { readonly text: string; readonly place: readonly [number, number] }[] = [];
  for (let i = 0; i < 3000; i++) {
    const text = (alphabets[i % alphabets.length] as string).repeat((i * 7919) % 400) + `${i}`.repeat(i % 3);
    kept.push({ text, place: push(log, text) });
    if (i % 100 === 50) {
      kept.splice(0, i % 70);
      log.trim(kept[0]?.place[0] ?? log.end);
    }
    if (i % 500 === 250) for (const each of kept) expect(log.at(...each.place)).toBe(each.text);
  }
  const [first] = kept[0]!.place;
  expect(log.at(first, log.end)).toBe(kept.map(({ text }) => text).join(""));
});

test("takes a text that is larger than any block, and begins anew when nothing is kept", () => {
  const log = new TextLog();
  for (let i = 0; i < 5; i++) {
    const text = `${i}€😀`.repeat(60_000);
    const before = push(log, "before");
    const place = push(log, text);
    const after = push(log, "after");
    expect(log.at(...before)).toBe("before");
    expect(log.at(...place) === text).toBe(true);
    log.trim(after[0]);
    expect(log.at(...after)).toBe("after");
    log.trim(log.end);
    expect(log.at(...push(log, ""))).toBe("");
  }
});
