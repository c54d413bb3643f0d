import assert from "node:assert/strict";
import { parseEventId } from "@sluice/core";
import type { DecodedEvent, Position } from "@sluice/core";
import type { LoggedEvent, LogOfChannel } from "./log-of-channel.ts";

/** What a client's options make of its channels. */
export interface Sight {
  /** What the filter says; undefined where it fails. */
  readonly passes: (data: string) => boolean | undefined;
  /** What the map makes of it; undefined where it fails. */
  readonly maps: (data: string) => string | undefined;
  readonly coalesce: boolean;
  /** A gap may stand for events that the client could have been sent. */
  readonly skips: boolean;
  /** The reasons that a gap may have. */
  readonly gaps: readonly string[];
}

/**
 * What one client was sent, over all its visits, held against the logs: exact, after filter and map. Everything between
 * the cursor and what comes next has to be hidden from it, unless a gap says that it is missing; and nothing may come twice.
 */
export class StreamHistory {
  readonly #logs: ReadonlyMap<string, LogOfChannel>;
  readonly #sight: Sight;
  /** Where the client is in each of the channels that it reads; none where it has yet to be told. */
  #positions = new Map<string, Position>();
  /** What its last cursor names. */
  #told: ReadonlyMap<string, Position> = new Map();
  #names: readonly string[] = [];

  constructor(logs: ReadonlyMap<string, LogOfChannel>, sight: Sight) {
    this.#logs = logs;
    this.#sight = sight;
  }

  /** A visit begins with another cursor than the client was given: all begins anew. */
  lose(): void {
    this.#told = new Map();
  }

  /** A visit begins: what the client's cursor does not name begins anew, at `start` where that is known. */
  visit(names: readonly string[], start: Position | undefined): void {
    const begins = (name: string): [string, Position][] => {
      const position = this.#told.get(name) ?? start;
      return position === undefined ? [] : [[name, position]];
    };
    this.#positions = new Map(names.flatMap(begins));
    this.#names = names;
  }

  /** @throws {assert.AssertionError} where the event does not follow what came before */
  add({ event = "message", data, id = "" }: DecodedEvent): void {
    const positions = this.#parse(id);
    if (event === "sluice.gap") {
      const { reason } = JSON.parse(data) as { reason: string };
      assert.ok(this.#sight.gaps.includes(reason), `a gap for no reason: ${reason}`);
      const moved = positions.filter(([name, position]) => !this.#isExact(name, position));
      assert.ok(moved.length <= 1, `a gap stands for more than one channel: ${moved.join(" and ")}`);
      const isKnown = positions.every(([name]) => this.#positions.has(name));
      if (reason === "skipped" && !this.#sight.skips && isKnown) this.#checkFailed(positions, moved);
    } else {
      const channel = event === "sluice.live" ? undefined : data.replace(/^.*<|>.*$/g, "").charAt(0);
      for (const [name, position] of positions) {
        if (name === channel) this.#checkEvent(name, position, data);
        else assert.ok(this.#isExact(name, position), `${this.#move(name, position)} leaves events out: ${event}`);
      }
    }
    this.#told = new Map(positions);
    this.#positions = new Map(positions);
  }

  /** The client was told that nothing follows. */
  end(): void {
    for (const name of this.#names) {
      const { ends } = this.#logs.get(name) as LogOfChannel;
      const isExact = ends.some((end) => this.#isExact(name, end));
      assert.ok(isExact, `${this.#move(name, ends.join(" or "))} leaves events out: the end`);
    }
  }

  #parse(id: string): Place[] {
    const parts = id.split(",");
    assert.equal(parts.length, this.#names.length, `${id} is no cursor of ${this.#names.join(", ")}`);
    return this.#names.map((name, i) => [name, (parts[i] as string).replace(/^.*:/, "")]);
  }

  #checkEvent(name: string, position: Position, data: string): void {
    const logged = this.#logged(name, position);
    assert.ok(logged !== undefined, `${position} was never appended`);
    assert.equal(this.#sight.passes(logged.data), true, `${position} is hidden from this client`);
    assert.equal(data, this.#sight.maps(logged.data), `${position} is not what was appended under it`);
    this.#checkMove(name, position);
  }

  /** A gap in the place of one event, which the filter or the map has failed at. */
  #checkFailed(positions: readonly Place[], moved: readonly Place[]): void {
    const failures = positions.filter(([name, position]) => {
      const logged = this.#logged(name, position);
      return logged !== undefined && this.#positions.get(name) !== position && this.#fails(logged);
    });
    // Another channel may have been moved on, too, behind an event that fails: one that a later event of its key replaces.
    const failed = failures.find((place) => moved.includes(place)) ?? failures[0];
    assert.ok(failed !== undefined, "a gap for no reason: all could be sent");
    const [name, position] = failed;
    const other = moved.find((place) => place !== failed);
    assert.ok(other === undefined, `a gap of ${name} stands for ${other?.join(" at ")}, too`);
    this.#checkMove(name, position);
  }

  #fails({ data }: LoggedEvent): boolean {
    const passes = this.#sight.passes(data);
    return passes === undefined || (passes && this.#sight.maps(data) === undefined);
  }

  #logged(name: string, position: Position): LoggedEvent | undefined {
    const id = parseEventId(position);
    const logged = id && this.#logs.get(name)?.at(id.epoch, id.seq);
    return logged?.tag === id?.tag ? logged : undefined;
  }

  /** From where the client is to an event, and there is nothing between. */
  #checkMove(name: string, position: Position): void {
    const at = this.#positions.get(name);
    const { epoch, seq } = this.#logged(name, position) as LoggedEvent;
    if (at === undefined) return;
    const from = at === "origin" ? 0 : seqIn(epoch, at);
    assert.ok(from !== undefined && from < seq, `${this.#move(name, position)} goes back`);
    assert.ok(this.#isHidden(name, epoch, from + 1, seq - 1), `${this.#move(name, position)} leaves events out`);
  }

  /** Whether there is nothing between where the client is and the position that it should have been sent. */
  #isExact(name: string, position: Position): boolean {
    const at = this.#positions.get(name);
    if (at === undefined || at === position) return true;
    const to = parseEventId(position);
    if (to === undefined) return false;
    const from = at === "origin" ? 0 : seqIn(to.epoch, at);
    return from !== undefined && from < to.seq && this.#isHidden(name, to.epoch, from + 1, to.seq);
  }

  #isHidden(name: string, epoch: string, first: number, last: number): boolean {
    const log = this.#logs.get(name) as LogOfChannel;
    for (let seq = first; seq <= last; seq++) {
      const logged = log.at(epoch, seq);
      if (logged === undefined) return false;
      if (this.#sight.passes(logged.data) !== false && !this.#isOvertaken(log, logged)) return false;
    }
    return true;
  }

  #isOvertaken(log: LogOfChannel, logged: LoggedEvent): boolean {
    const { coalesce, passes } = this.#sight;
    if (!coalesce || logged.key === undefined) return false;
    return log.after(logged).some((later) => later.key === logged.key && passes(later.data) === true);
  }

  #move(name: string, position: Position): string {
    return `from ${this.#positions.get(name)} to ${position} of channel ${name}`;
  }
}

/** Where a client is in a channel. */
type Place = readonly [name: string, position: Position];

/** The number of a position in an epoch; undefined where it is of another. */
function seqIn(epoch: string, position: Position): number | undefined {
  const id = parseEventId(position);
  return id?.epoch === epoch ? id.seq : undefined;
}
