/** What is measured of a contender, whatever its server runs on: its connections are open. */
export interface Stage {
  /** Publishes so many events, in groups that come together; resolves with the number of the last. */
  publish(count: number, together?: number): Promise<number>;
  /** Resolves when all have all events up to this one, unchanged and in order. */
  reached(seq: number): Promise<void>;
  /** What it costs until the work is done. */
  costOf(work: () => Promise<unknown>): Promise<Cost>;
}

/** What a part of a run has cost and taken. */
interface Cost {
  /** Of the server's process, user and system, in µs. */
  readonly cpu: number;
  /** In ms. */
  readonly time: number;
}

/** A stage that is set up, and taken down. */
export interface Stageable extends Stage {
  /** Opens so many connections; resolves when they would get what is published. */
  connect(count: number): Promise<void>;
  close(): Promise<void>;
}

/** How much is done. */
export interface Scale {
  readonly connections: number;
  readonly rounds: number;
  /** What the windows of each round are multiplied by. */
  readonly length: number;
}

/** Of each contender that took part, one result a round. */
export type Results<Name, Figures> = ReadonlyMap<Name, readonly Figures[]>;

/** Runs with an open rig of so many connections for each contender, and closes them. */
export async function withRigs<Name, Rig extends Stageable, Result>(
  names: readonly Name[],
  open: (name: Name) => Promise<Rig>,
  connections: number,
  work: (rigs: ReadonlyMap<Name, Rig>) => Promise<Result>,
): Promise<Result> {
  const rigs = new Map<Name, Rig>();
  try {
    for (const name of names) {
      const rig = await open(name);
      rigs.set(name, rig);
      await rig.connect(connections);
    }
    return await work(rigs);
  } finally {
    await Promise.all([...rigs.values()].map((rig) => rig.close()));
  }
}

/** Measures once for nothing, as runtimes have yet to compile what they run; then in short windows by turns. */
export async function inWindows<Name extends string, Rig extends Stage, Figures>(
  rigs: ReadonlyMap<Name, Rig>,
  scale: Scale,
  measure: (rig: Rig, scale: Scale) => Promise<Figures>,
): Promise<Results<Name, Figures>> {
  for (const rig of rigs.values()) await measure(rig, scale);
  return inRounds([...rigs.keys()], scale.rounds, (name) => measure(rigs.get(name) as Rig, scale));
}

/** By turns, ABCABC, so that a slow moment of the machine is shared. */
export async function inRounds<Name extends string, Figures>(
  names: readonly Name[],
  rounds: number,
  measure: (name: Name) => Promise<Figures>,
): Promise<Results<Name, Figures>> {
  const results = new Map<Name, Figures[]>(names.map((name) => [name, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const [name, figures] of results) {
      figures.push(await measure(name));
      console.error(`  ${round}/${rounds} ${name}: ${JSON.stringify(figures.at(-1))}`);
    }
  }
  return results;
}

/** The median of what ours and a rival differ by, round by round, as what slows the machine down in one slows both. */
export function compare<Name extends string, Figures>(
  results: Results<Name | "ours", Figures>,
  rival: Name,
  difference: (ours: Figures, theirs: Figures) => number,
): number {
  const theirs = results.get(rival) ?? [];
  return median((results.get("ours") ?? []).map((ours, round) => difference(ours, theirs[round] as Figures)));
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}
