import type { Channel, Position } from "@sluice/core";
import type { Facts } from "./facts.ts";
import { isPageId, pageOf } from "./lines.ts";
import { json, readJson, refusal } from "./mount.ts";
import type { Route } from "./mount.ts";
import { QUESTIONS } from "./quiz-questions.ts";
import type { Question } from "./quiz-questions.ts";
import { wait } from "./wait.ts";

/** So many pages may answer one question; what is remembered of them is forgotten with it. */
const MOST_ANSWERS = 5000;

/**
 * All that a page shows of the quiz. Every event of the channel carries the whole of it, so that a page has nothing to
 * add up: the newest is what is so.
 */
interface State {
  /** A running number from 1, so that a page can count what reached it. */
  readonly n: number;
  /** Which question this is since the server was started, from 1: what an answer must name. */
  readonly round: number;
  readonly text: string;
  readonly choices: readonly string[];
  /** How many pages have chosen each. */
  readonly tally: readonly number[];
  /** How many pages are here. */
  readonly pages: number;
  /** When what is shown is over, in ms since the epoch, by the server's clock. */
  readonly endsAt: number;
  /** Which choice was right, and why; not told before the time is up. */
  readonly reveal?: { readonly right: number; readonly why: string };
}

/**
 * `GET /quiz` answers `{ state, position, now }`, and `GET /quiz/events?lastEventId=<position>` streams on from exactly
 * there; `POST /quiz/answer` takes `{ page, round, choice }`.
 */
export function quizRoutes(quiz: Quiz, facts: Facts): readonly Route[] {
  return [
    { method: "GET", path: "/quiz", answer: () => json({ ...quiz.told, now: Date.now() }) },
    {
      method: "POST",
      path: "/quiz/answer",
      async answer({ request }) {
        const given = readAnswer(await readJson(request, 1024));
        if (given === undefined) {
          return refusal(400, 'Send JSON such as {"page": "<your id>", "round": 1, "choice": 0}.');
        }
        const refused = await quiz.answer(given);
        if (refused !== undefined) return refusal(refused.status, refused.error);
        facts.quizAnswers++;
        return new Response(null, { status: 204 });
      },
    },
    {
      method: "GET",
      path: "/quiz/events",
      // Who comes without a position gets what is so now, and what comes.
      options: { start: { last: 1 }, retry: [500, 1500] },
      lineOf: pageOf,
      open: (visit) => (connection) => {
        quiz.addReader(pageOf(visit), connection.closed);
        return quiz.channel;
      },
    },
  ];
}

interface Answer {
  readonly page: string;
  readonly round: number;
  readonly choice: number;
}

function readAnswer(body: unknown): Answer | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const { page, round, choice } = body as Record<string, unknown>;
  const isWhole = Number.isSafeInteger(round) && Number.isSafeInteger(choice);
  return isPageId(page) && isWhole ? { page, round: round as number, choice: choice as number } : undefined;
}

interface Refusal {
  readonly status: number;
  readonly error: string;
}

interface Told<Cursor> {
  readonly state: State;
  readonly position: Cursor;
}

/** The game itself: one writer of the channel `quiz`. */
export class Quiz {
  readonly channel: Channel;
  /** What was published last, and where in the channel that is: one is never changed without the other. */
  told: Told<Position> | undefined;

  readonly #shutdown: AbortSignal;
  /** How many streams each page has open: two for a moment, where one broke without a word. */
  readonly #pages = new Map<string, number>();
  /** What each page has chosen, this round. */
  readonly #answers = new Map<string, number>();
  #question = { round: 0, text: "", choices: [] as readonly string[], right: 0, why: "", endsAt: 0, isOpen: false };
  #count = 0;
  #publishing: Promise<void> = Promise.resolve();

  constructor(channel: Channel, shutdown: AbortSignal) {
    this.channel = channel;
    this.#shutdown = shutdown;
  }

  /**
   * Resolves once the first question has been asked.
   *
   * @param ms how long a question is open; the answer is then shown for a quarter of that
   */
  async start(ms: number): Promise<void> {
    const questions = endlessly(QUESTIONS);
    await this.#ask(questions.next().value, ms);
    void this.#run(questions, ms);
  }

  /** Never rejects but at the end of the server, when there is nobody to tell. */
  async #run(questions: Iterator<Question, never>, ms: number): Promise<void> {
    try {
      for (;;) {
        await wait(ms, this.#shutdown);
        await this.#reveal(ms / 4);
        await wait(ms / 4, this.#shutdown);
        await this.#ask(questions.next().value, ms);
      }
    } catch (error) {
      if (!this.#shutdown.aborted) console.error("The quiz has ended:", error);
    }
  }

  #ask({ text, choices, why }: Question, ms: number): Promise<void> {
    const [right] = choices;
    const mixed = shuffled(choices);
    const round = this.#question.round + 1;
    const endsAt = Date.now() + ms;
    this.#question = { round, text, choices: mixed, right: mixed.indexOf(right), why, endsAt, isOpen: true };
    this.#answers.clear();
    return this.#tell("question");
  }

  #reveal(ms: number): Promise<void> {
    this.#question = { ...this.#question, isOpen: false, endsAt: Date.now() + ms };
    return this.#tell("reveal");
  }

  /** Resolves when all can see it, or at once with why it does not count. */
  async answer({ page, round, choice }: Answer): Promise<Refusal | undefined> {
    const { choices, isOpen, round: current } = this.#question;
    if (round !== current) return { status: 409, error: "That question is over." };
    if (!isOpen) return { status: 409, error: "The time is up." };
    if (choice < 0 || choice >= choices.length) return { status: 400, error: "There is no such choice." };
    if (this.#answers.has(page)) return { status: 409, error: "This page has answered already." };
    if (this.#answers.size >= MOST_ANSWERS) return { status: 503, error: `${MOST_ANSWERS} pages have answered.` };
    this.#answers.set(page, choice);
    await this.#tell("tally");
    return undefined;
  }

  /** The state, and where some cursor is while nothing is being published: exactly behind it. */
  snapshot(cursor: () => Promise<string>): Promise<Told<string>> {
    const taken = this.#publishing.then(async () => ({
      state: (this.told as Told<Position>).state,
      position: await cursor(),
    }));
    this.#publishing = taken.then(
      () => {},
      () => {},
    );
    return taken;
  }

  /** A page takes part while it has a stream open; a reader that is no page only looks on. */
  addReader(page: string | undefined, closed: Promise<unknown>): void {
    if (page === undefined) return;
    this.#countPage(page, 1);
    void closed.then(() => this.#countPage(page, -1));
  }

  #countPage(page: string, change: 1 | -1): void {
    const before = this.#pages.size;
    const streams = (this.#pages.get(page) ?? 0) + change;
    if (streams > 0) this.#pages.set(page, streams);
    else this.#pages.delete(page);
    if (this.#pages.size !== before) void this.#tell("pages");
  }

  /** Publishes what is so now, behind all that was so before. Never rejects. */
  #tell(event: "question" | "tally" | "reveal" | "pages"): Promise<void> {
    const { round, text, choices, right, why, endsAt, isOpen } = this.#question;
    const tally = choices.map(() => 0);
    for (const choice of this.#answers.values()) tally[choice] = (tally[choice] ?? 0) + 1;
    const state: State = {
      n: ++this.#count,
      round,
      text,
      choices,
      tally,
      pages: this.#pages.size,
      endsAt,
      ...(!isOpen && { reveal: { right, why } }),
    };
    this.#publishing = this.#publishing.then(() => this.#publish(event, state));
    return this.#publishing;
  }

  async #publish(event: string, state: State): Promise<void> {
    if (this.#shutdown.aborted) return;
    try {
      this.told = { state, position: await this.channel.publish({ event, data: state }) };
    } catch (error) {
      if (!this.#shutdown.aborted) console.error("The quiz could not tell:", error);
    }
  }
}

/** All of them in a random order, then all of them in another. */
function* endlessly(questions: readonly Question[]): Generator<Question, never> {
  for (;;) yield* shuffled(questions);
}

function shuffled<Item>(items: readonly Item[]): Item[] {
  const mixed = [...items];
  for (let last = mixed.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    [mixed[last], mixed[other]] = [mixed[other] as Item, mixed[last] as Item];
  }
  return mixed;
}
