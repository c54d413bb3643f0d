import { parseEventId } from "@sluice/core";
import type { NewEvent, Position } from "@sluice/core";

/** What was appended to a channel, in the order in which it took effect; a drop begins another epoch. */
export class LogOfChannel {
  readonly #events: LoggedEvent[] = [];
  readonly #indexes = new Map<string, number>();
  /** The last position; `"origin"` where nothing has been appended since the last drop. */
  tail: Position = "origin";
  /** Where it was closed, each time. */
  readonly ends: Position[] = [];

  append(events: readonly NewEvent[], tail: Position, closes: boolean): void {
    const last = parseEventId(tail);
    events.forEach(({ data, key }, i) => {
      if (last === undefined) return;
      const { epoch, tag } = last;
      const seq = last.seq - events.length + 1 + i;
      this.#indexes.set(`${epoch}.${seq}`, this.#events.length);
      this.#events.push({ data, key, epoch, seq, tag });
    });
    this.tail = tail;
    if (closes) this.ends.push(tail);
  }

  drop(): void {
    this.tail = "origin";
  }

  at(epoch: string, seq: number): LoggedEvent | undefined {
    return this.#events[this.#indexes.get(`${epoch}.${seq}`) ?? -1];
  }

  /** All that were appended after an event. */
  after({ epoch, seq }: LoggedEvent): readonly LoggedEvent[] {
    return this.#events.slice((this.#indexes.get(`${epoch}.${seq}`) ?? 0) + 1);
  }
}

/** An event as it was appended. */
export interface LoggedEvent {
  readonly data: string;
  readonly key: string | undefined;
  readonly epoch: string;
  readonly seq: number;
  readonly tag: string;
}
