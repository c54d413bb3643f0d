import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { openStream } from "./frames.ts";
import type { Frame, Stream } from "./frames.ts";
import { startShowcase } from "./server.ts";
import type { Showcase } from "./server.ts";

interface State {
  readonly n: number;
  readonly round: number;
  readonly choices: readonly string[];
  readonly tally: readonly number[];
  readonly pages: number;
  readonly reveal?: { readonly right: number; readonly why: string };
}

/** One question lasts longer than all tests. */
let showcase: Showcase;

beforeAll(async () => {
  showcase = await startShowcase({ SHOWCASE_QUIZ_SECONDS: "600" });
});
afterAll(() => showcase?.stop());

let pages = 0;
const newPage = (): string => `test-page-${String(pages++).padStart(10, "0")}`;

async function open(path: string, lastEventId?: string): Promise<Stream> {
  const headers = lastEventId === undefined ? {} : { "Last-Event-ID": lastEventId };
  const stream = await openStream(showcase.url + path, { headers });
  onTestFinished(() => stream.leave());
  return stream;
}

async function snapshot(url = showcase.url): Promise<{ state: State; position: string; now: number }> {
  return (await (await fetch(`${url}/quiz`)).json()) as { state: State; position: string; now: number };
}

async function answer(body: unknown, url = showcase.url): Promise<number> {
  const init = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(`${url}/quiz/answer`, init);
  if (response.status !== 204) expect(await response.json()).toMatchObject({ error: expect.any(String) });
  return response.status;
}

const stateOf = (frame: Frame | undefined): State => frame?.data as unknown as State;
const numbersOf = (frames: readonly Frame[]): number[] =>
  frames.filter(({ data }) => data["n"] !== undefined).map(({ data }) => Number(data["n"]));
const upTo = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index);
const isLive = ({ event }: Frame): boolean => event === "sluice.live";

describe("the quiz", () => {
  test("joins snapshot and stream exactly, whatever is answered meanwhile", async () => {
    const { round } = (await snapshot()).state;
    const answering = (async () => {
      for (let count = 0; count < 60; count++) await answer({ page: newPage(), round, choice: count % 4 });
    })();
    const joined = await Promise.all(
      Array.from({ length: 12 }, async () => {
        const { state, position } = await snapshot();
        const stream = await open(`/quiz/events?lastEventId=${position}`);
        return { state, stream };
      }),
    );
    await answering;
    const { state: last } = await snapshot();
    expect(last.n).toBeGreaterThanOrEqual(60);
    for (const { state, stream } of joined) {
      const frames = state.n === last.n ? [] : await stream.until(({ data }) => data["n"] === last.n);
      expect(numbersOf(frames)).toEqual(upTo(state.n + 1, last.n));
    }
  });

  test("shows two pages the same tally, and says who is here", async () => {
    const before = await snapshot();
    const [one, other] = [newPage(), newPage()];
    const first = await open(`/quiz/events?page=${one}&lastEventId=${before.position}`);
    const second = await open(`/quiz/events?page=${other}&lastEventId=${before.position}`);
    expect(await answer({ page: one, round: before.state.round, choice: 2 })).toBe(204);
    const isTally = ({ event }: Frame): boolean => event === "tally";
    const [seen, alsoSeen] = [await first.until(isTally), await second.until(isTally)];
    const expected = before.state.tally.with(2, (before.state.tally[2] ?? 0) + 1);
    expect(stateOf(seen.at(-1))).toMatchObject({ tally: expected, pages: before.state.pages + 2 });
    expect(alsoSeen.filter((frame) => !isLive(frame))).toEqual(seen.filter((frame) => !isLive(frame)));
    second.leave();
    const gone = await first.until((frame) => stateOf(frame).pages === before.state.pages + 1);
    expect(gone.at(-1)?.event).toBe("pages");
  });

  test("takes one answer of each page, to the question that is open, and no nonsense", async () => {
    const { round } = (await snapshot()).state;
    const page = newPage();
    const nonsense: unknown[] = [
      null,
      [],
      {},
      { page, round },
      { page: "short", round, choice: 0 },
      { page: "x".repeat(65), round, choice: 0 },
      { page: 1, round, choice: 0 },
      { page, round: String(round), choice: 0 },
      { page, round, choice: 0.5 },
      { page, round, choice: -1 },
      { page, round, choice: 4 },
      { page, round, choice: "length" },
    ];
    for (const body of nonsense) expect(await answer(body), JSON.stringify(body)).toBe(400);
    const raw = { method: "POST", headers: { "Content-Type": "application/json" } };
    expect((await fetch(`${showcase.url}/quiz/answer`, { ...raw, body: "{" })).status).toBe(400);
    expect((await fetch(`${showcase.url}/quiz/answer`, { ...raw, body: `"${"x".repeat(2000)}"` })).status).toBe(413);
    expect(await answer({ page, round: round + 1, choice: 0 })).toBe(409);
    const { state: before } = await snapshot();
    expect(await answer({ page, round, choice: 0 })).toBe(204);
    expect(await answer({ page, round, choice: 1 })).toBe(409);
    const { state: after } = await snapshot();
    expect(after.tally).toEqual(before.tally.with(0, (before.tally[0] ?? 0) + 1));
  });

  test("goes on behind any event, and begins with what is so now for who has none", async () => {
    const whole = await open("/quiz/events?lastEventId=origin");
    const frames = (await whole.until(isLive)).filter((frame) => !isLive(frame));
    expect(numbersOf(frames)).toEqual(upTo(1, frames.length));
    for (const [index, { id }] of [...frames.entries()].filter(([at]) => at % 7 === 0)) {
      const resumed = await open("/quiz/events", id);
      expect(resumed.headers["sluice-resume"]).toBe("resumed");
      expect(await resumed.until((frame) => frame.id === frames.at(-1)?.id)).toEqual(
        index === frames.length - 1 ? [expect.objectContaining({ event: "sluice.live" })] : frames.slice(index + 1),
      );
    }
    const fresh = await open("/quiz/events");
    expect(await fresh.next()).toEqual(frames.at(-1));
  });

  test("asks one question after another, and tells the answer only then", async () => {
    const own = await startShowcase({ SHOWCASE_QUIZ_SECONDS: "0.2" });
    onTestFinished(async () => void (await own.stop()));
    const stream = await openStream(`${own.url}/quiz/events?lastEventId=origin`);
    onTestFinished(() => stream.leave());
    const frames = (await stream.until(({ data }) => data["round"] === 4)).filter((frame) => !isLive(frame));
    expect(frames.map(({ event, data }) => [event, data["round"]])).toEqual([
      ["question", 1],
      ["reveal", 1],
      ["question", 2],
      ["reveal", 2],
      ["question", 3],
      ["reveal", 3],
      ["question", 4],
    ]);
    for (const frame of frames) {
      const { reveal, choices } = stateOf(frame);
      expect(reveal !== undefined).toBe(frame.event === "reveal");
      if (reveal !== undefined) expect(choices[reveal.right]).toEqual(expect.any(String));
    }
    expect(await answer({ page: newPage(), round: 1, choice: 0 }, own.url)).toBe(409);
  });

  test("tells who comes back to another server that it is another", async () => {
    const { position } = await snapshot();
    const own = await startShowcase();
    onTestFinished(async () => void (await own.stop()));
    const stream = await openStream(`${own.url}/quiz/events`, { headers: { "Last-Event-ID": position } });
    onTestFinished(() => stream.leave());
    expect(stream.headers["sluice-resume"]).toBe("gap");
    expect(await stream.next()).toMatchObject({ event: "sluice.gap", data: { reason: "reset" } });
    expect(await stream.next()).toMatchObject({ event: "question", data: { n: 1 } });
  });
});

describe("the machine", () => {
  const report = async (): Promise<{ sampling: boolean; readers: number; samples: number }> =>
    (await fetch(`${showcase.url}/machine`)).json() as Promise<{ sampling: boolean; readers: number; samples: number }>;

  test("is sampled while somebody reads, gives its history at once, and says how long it rested", async () => {
    expect(await report()).toEqual({ sampling: false, readers: 0, samples: 0 });
    const first = await open("/machine/events");
    const frames = (await first.until(({ data }) => data["n"] === 3)).filter((frame) => !isLive(frame));
    expect(numbersOf(frames)).toEqual([1, 2, 3]);
    for (const { data } of frames) {
      const sample = data as Record<string, number>;
      for (const key of ["cpu", "load", "loopDelay"]) expect(sample[key], key).toBeGreaterThanOrEqual(0);
      expect(sample["cpu"]).toBeLessThanOrEqual(1);
      expect(sample["memoryUsed"]).toBeLessThan(Number(sample["memoryTotal"]));
      expect(sample["rss"]).toBeGreaterThan(1e6);
      expect(sample).not.toHaveProperty("rested");
    }

    const second = await open("/machine/events");
    const history = await second.until(isLive);
    expect(history.slice(0, 3)).toEqual(frames);
    const resumed = await open("/machine/events", frames[1]?.id);
    expect(await resumed.next()).toEqual(frames[2]);

    for (const stream of [first, second, resumed]) stream.leave();
    await vi.waitFor(async () => expect(await report()).toMatchObject({ sampling: false, readers: 0 }), {
      timeout: 12_000,
      interval: 100,
    });
    const { samples } = await report();
    const late = await open("/machine/events");
    const past = await late.until(isLive);
    expect(numbersOf(past)).toEqual(upTo(1, samples));
    const next = await late.next();
    expect(next?.data).toMatchObject({ n: samples + 1, rested: expect.any(Number) });
    expect(next?.data["rested"]).toBeGreaterThan(1000);
    expect(await late.next()).not.toHaveProperty("data.rested");
  });
});

describe("cutting", () => {
  test("resets the streams of one page, and of no other; each goes on without a loss", async () => {
    const page = newPage();
    const quiz = await open(`/quiz/events?page=${page}`);
    const machine = await open(`/machine/events?page=${page}`);
    const other = await open(`/quiz/events?page=${newPage()}`);
    const [seen] = await Promise.all([quiz.until(isLive), machine.until(isLive)]);
    const cut = async (whose: string): Promise<unknown> =>
      (await fetch(`${showcase.url}/pages/${whose}/cut`, { method: "POST" })).json();
    expect(await cut(newPage())).toEqual({ cut: 0 });
    expect(await cut(page)).toEqual({ cut: 2 });
    seen.push(...(await quiz.until(() => false)));
    await machine.until(() => false);
    expect([quiz.isComplete, machine.isComplete]).toEqual([false, false]);

    // Who is left is told at once, and what the one that was cut has missed waits for it.
    const { n } = stateOf(seen.findLast(({ data }) => data["n"] !== undefined));
    await other.until(({ event, data }) => event === "pages" && Number(data["n"]) > n);
    const again = await open(`/quiz/events?page=${page}`, seen.at(-1)?.id);
    const caughtUp = numbersOf(await again.until(isLive));
    expect(caughtUp).toEqual(upTo(n + 1, n + caughtUp.length));
    expect(caughtUp.length).toBeGreaterThan(0);
    expect(await cut(page)).toEqual({ cut: 1 });
  });
});
