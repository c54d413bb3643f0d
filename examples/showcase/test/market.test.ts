import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { seeded, walk } from "../market.ts";
import type { Quote } from "../market.ts";
import { openStream } from "./frames.ts";
import type { Frame } from "./frames.ts";
import { startShowcase } from "./server.ts";
import type { Showcase } from "./server.ts";

function take(count: number, seed: number): Quote[] {
  const quotes = walk(seeded(seed));
  return Array.from({ length: count }, () => quotes.next().value);
}

describe("the walk", () => {
  test("is what its seed says, and another with another seed", () => {
    expect(take(500, 7)).toEqual(take(500, 7));
    expect(take(500, 7).map(({ price }) => price)).not.toEqual(take(500, 8).map(({ price }) => price));
  });

  test("quotes all symbols about equally often, goes up and down, and does not run away", () => {
    const quotes = take(100_000, 42);
    const ofEach = Map.groupBy(quotes, ({ symbol }) => symbol);
    expect(ofEach.size).toBe(20);
    for (const [symbol, all] of ofEach) {
      expect(all.length, symbol).toBeGreaterThan(4000);
      const changes = all.slice(1).map(({ price }, index) => price - (all[index] as Quote).price);
      expect(changes.filter((change) => change > 0).length, symbol).toBeGreaterThan(1000);
      expect(changes.filter((change) => change < 0).length, symbol).toBeGreaterThan(1000);
      for (const { price, opened } of all) {
        expect(Number.isInteger(price)).toBe(true);
        expect(price / opened).toBeGreaterThan(0.2);
        expect(price / opened).toBeLessThan(5);
      }
    }
  });
});

describe("the market", () => {
  let showcase: Showcase;
  beforeAll(async () => {
    showcase = await startShowcase({ SHOWCASE_MARKET_SEED: "42" });
  });
  afterAll(() => showcase?.stop());

  const quoteOf = ({ data }: Frame): Quote => data as unknown as Quote;
  const isQuote = ({ event }: Frame): boolean => event === "quote";
  const quotes = async (): Promise<number> =>
    ((await (await fetch(`${showcase.url}/market`)).json()) as { quotes: number }).quotes;

  test("gives a reader that keeps up every quote, and one that was away the newest of each symbol", async () => {
    const expected = take(20_000, 42);
    const keepsUp = await openStream(`${showcase.url}/market/events`);
    onTestFinished(() => keepsUp.leave());
    const first = (await keepsUp.until(({ data }) => Number(data["n"]) >= 300)).filter(isQuote);
    expect(first.map(quoteOf)).toEqual(expected.slice(0, first.length));

    const missed = first.at(-1);
    await vi.waitFor(async () => expect(await quotes()).toBeGreaterThan(900), { timeout: 15_000 });
    const headers = { "Last-Event-ID": missed?.id ?? "" };
    const back = await openStream(`${showcase.url}/market/events`, { headers });
    onTestFinished(() => back.leave());
    expect(back.headers["sluice-resume"]).toBe("resumed");
    const sip = (await back.until(({ event }) => event === "sluice.live")).filter(isQuote).map(quoteOf);
    const newest = sip.at(-1)?.n ?? 0;
    expect(newest).toBeGreaterThan(900);
    const ofEach = Map.groupBy(expected.slice(first.length, newest), ({ symbol }) => symbol);
    expect(sip).toEqual([...ofEach.values()].map((all) => all.at(-1)).toSorted((a, b) => (a?.n ?? 0) - (b?.n ?? 0)));
  });
});
