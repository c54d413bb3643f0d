import { wait } from "./wait.ts";

/** What the assistant asks for words: the model in this file, or an endpoint that speaks OpenAI's protocol. */
export interface LanguageModel {
  readonly name: string;
  /** Yields the answer piece by piece, as the pieces come into being; stops when `signal` aborts. */
  generate(prompt: string, signal: AbortSignal): AsyncIterable<string>;
}

export interface NgramOptions {
  /** Below 1 the model repeats its book, above 1 it invents. Default 0.75. */
  readonly temperature?: number;
  /** How many tokens come into being per second: a pace that one can read along with. Default 32. */
  readonly tokensPerSecond?: number;
  /** Numbers in [0, 1). Default `Math.random`. */
  readonly random?: () => number;
}

/** How many tokens are looked back upon, at most. */
const LONGEST_CONTEXT = 3;
const SHORTEST_ANSWER = 70;
const LONGEST_ANSWER = 190;
const PARAGRAPH = "\n\n";

/**
 * A language model as small as they come: it has counted which word follows which one, two and three words in one book,
 * and blends the counts by Witten and Bell's rule (a context votes the more, the more often it was seen and the fewer
 * ways it went on). Words of the prompt, and words that keep company with them in the book, are drawn more often.
 */
export function trainNgramModel(name: string, text: string, options: NgramOptions = {}): LanguageModel {
  const { temperature = 0.75, tokensPerSecond = 32, random = Math.random } = options;
  const book = readBook(text);
  return {
    name,
    async *generate(prompt, signal) {
      const words = writeWords(book, prompt, temperature, random);
      for (const piece of joinWords(words)) {
        // The time that a larger model would think. A token of many letters takes longer, as it would be several there.
        await wait((1000 / tokensPerSecond) * (0.6 + piece.length / 11), signal);
        yield piece;
      }
    },
  };
}

/** What is known of the book; a token is known by its number in `vocabulary`. */
interface Book {
  readonly vocabulary: readonly string[];
  readonly paragraphs: readonly (readonly number[])[];
  /** How often each token occurs. */
  readonly counts: readonly number[];
  /** For each length of context: what followed it, as often as it followed. */
  readonly followers: readonly Map<number, number[]>[];
}

function readBook(text: string): Book {
  const numbers = new Map<string, number>();
  const vocabulary: string[] = [];
  const counts: number[] = [];
  const numberOf = (token: string): number => {
    let number = numbers.get(token);
    if (number === undefined) {
      number = vocabulary.push(token) - 1;
      numbers.set(token, number);
    }
    counts[number] = (counts[number] ?? 0) + 1;
    return number;
  };
  const paragraphs = tokenize(text).map((tokens) => [...tokens, PARAGRAPH].map(numberOf));
  const followers = Array.from({ length: LONGEST_CONTEXT }, () => new Map<number, number[]>());
  const stream = paragraphs.flat();
  stream.forEach((token, at) => {
    for (let length = 1; length <= LONGEST_CONTEXT && length <= at; length++) {
      const known = followers[length - 1] as Map<number, number[]>;
      const key = keyOf(stream, at - length, at, vocabulary.length);
      const after = known.get(key);
      if (after === undefined) known.set(key, [token]);
      else after.push(token);
    }
  });
  return { vocabulary, paragraphs, counts, followers };
}

/** Some 7,000 words: three of them make a number that is still exact. */
function keyOf(tokens: readonly number[], from: number, to: number, base: number): number {
  let key = 0;
  for (let at = from; at < to; at++) key = key * base + (tokens[at] as number);
  return key;
}

const TOKENS = /(?:Mrs?|Dr|St)\.|\p{L}+(?:[’-]\p{L}+)*|\d+|—|[.,;:!?()“”]/gu;

/** The paragraphs of the text as words and marks, without its title and the headings of its chapters. */
function tokenize(text: string): string[][] {
  const paragraphs: string[][] = [];
  for (const block of text.split(/\n\s*\n/)) {
    if (/^\s*(chapter \d+|pride and prejudice|by jane austen)\s*$/i.test(block)) continue;
    let isOpen = false;
    const typeset = block
      .replaceAll("_", "")
      .replaceAll("--", "—")
      .replaceAll("'", "’")
      .replace(/"/g, () => {
        isOpen = !isOpen;
        return isOpen ? "“" : "”";
      });
    const tokens = typeset.match(TOKENS);
    if (tokens !== null) paragraphs.push(tokens);
  }
  return paragraphs;
}

/** Draws one answer, word by word. */
function* writeWords(book: Book, prompt: string, temperature: number, random: () => number): Generator<string> {
  const { vocabulary } = book;
  const interest = interestIn(book, wordsOf(prompt));
  const said = opening(book, interest, random);
  const quote = { isOpen: false };
  for (const token of said) yield note(quote, vocabulary[token] as string);
  while (said.length < LONGEST_ANSWER) {
    const next = draw(book, said, interest, quote.isOpen, temperature, random);
    const word = vocabulary[next] as string;
    const mayEnd = !quote.isOpen && said.length >= SHORTEST_ANSWER;
    if (mayEnd && word === PARAGRAPH) return;
    said.push(next);
    yield note(quote, word);
    if (mayEnd && said.length >= LONGEST_ANSWER - 50 && /^[.!?]$/.test(word)) return;
  }
  yield quote.isOpen ? ".”" : ".";
}

function note(quote: { isOpen: boolean }, word: string): string {
  if (word === "“") quote.isOpen = true;
  if (word === "”" || word === PARAGRAPH) quote.isOpen = false;
  return word;
}

function wordsOf(prompt: string): Set<string> {
  return new Set(prompt.toLowerCase().replaceAll("'", "’").match(TOKENS));
}

/** How much more often each token is drawn: a word of the prompt, or one that is at home where those words are. */
function interestIn(book: Book, words: ReadonlySet<string>): Map<number, number> {
  const { vocabulary, counts, paragraphs } = book;
  const total = counts.reduce((sum, count) => sum + count, 0);
  const isCommon = (token: number): boolean => (counts[token] as number) > total / 700;
  const interest = new Map<number, number>();
  vocabulary.forEach((word, token) => {
    if (words.has(word.toLowerCase()) && !isCommon(token)) interest.set(token, 20);
  });
  const nearby = paragraphs.filter((paragraph) => paragraph.some((token) => interest.has(token))).flat();
  const seen = tally(nearby);
  for (const [token, count] of seen) {
    const surprise = count / nearby.length / ((counts[token] as number) / total);
    if (count >= 2 && surprise > 2.5 && !isCommon(token) && !interest.has(token)) interest.set(token, 2.5);
  }
  return interest;
}

/** The first words of a paragraph that speaks of what was asked, so that the answer sets out on the subject. */
function opening(book: Book, interest: ReadonlyMap<number, number>, random: () => number): number[] {
  const scored = book.paragraphs
    .filter((paragraph) => paragraph.length > 20)
    .map((paragraph) => {
      const hits = new Set(paragraph.filter((token) => (interest.get(token) ?? 0) > 10));
      let score = random();
      for (const token of hits) score += 40 / Math.sqrt(book.counts[token] as number);
      return { paragraph, score: score / Math.log(paragraph.length) };
    })
    .toSorted((a, b) => b.score - a.score);
  const best = scored[Math.floor(random() * 12)] ?? scored[0];
  const start = best?.paragraph ?? [];
  return start.slice(0, book.vocabulary[start[0] ?? 0] === "“" ? 3 : 2);
}

function draw(
  book: Book,
  said: readonly number[],
  interest: ReadonlyMap<number, number>,
  inQuote: boolean,
  temperature: number,
  random: () => number,
): number {
  const forbidden = inQuote ? ["“", PARAGRAPH] : ["”"];
  const weights = new Map<number, number>();
  let sum = 0;
  for (const [token, probability] of blend(book, said)) {
    if (forbidden.includes(book.vocabulary[token] as string)) continue;
    const recent = said.lastIndexOf(token, said.length - 1);
    const isFresh = recent < 0 || said.length - recent > 40;
    const weight = probability ** (1 / temperature) * (isFresh ? (interest.get(token) ?? 1) : 1);
    weights.set(token, weight);
    sum += weight;
  }
  let left = random() * sum;
  for (const [token, weight] of weights) {
    left -= weight;
    if (left < 0) return token;
  }
  // Nothing is known to follow, or all of it is forbidden: any word of the book goes on from here.
  const paragraph = book.paragraphs[Math.floor(random() * book.paragraphs.length)] ?? [0];
  return paragraph[1] ?? 0;
}

/** P(token | context) = λ · what followed this context + (1 − λ) · P(token | a shorter one), λ = seen / (seen + ways). */
function blend(book: Book, said: readonly number[]): Map<number, number> {
  const blended = new Map<number, number>();
  let share = 1;
  for (let length = Math.min(LONGEST_CONTEXT, said.length); length >= 1; length--) {
    const key = keyOf(said, said.length - length, said.length, book.vocabulary.length);
    const after = book.followers[length - 1]?.get(key);
    if (after === undefined) continue;
    const ways = tally(after);
    const own = length === 1 ? share : (share * after.length) / (after.length + ways.size);
    for (const [token, count] of ways) {
      blended.set(token, (blended.get(token) ?? 0) + (own * count) / after.length);
    }
    share -= own;
  }
  return blended;
}

function tally(tokens: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const token of tokens) counts.set(token, (counts.get(token) ?? 0) + 1);
  return counts;
}

/** Gives each word the space before it, where one belongs: joined, the pieces are the text. */
function* joinWords(words: Iterable<string>): Generator<string> {
  let before = PARAGRAPH;
  for (const word of words) {
    const isClose = /^[.,;:!?)”—]|^\n/.test(word) || /[(“—\n]$/.test(before);
    yield isClose ? word : ` ${word}`;
    before = word;
  }
}
