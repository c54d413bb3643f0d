import { isPosition } from "./cursor.ts";
import type { Position } from "./event-store.ts";

// The cursor of several channels that are read together: a position for each, `<key>:<position>,…`. The key is made from
// the channel's name, so that a client that comes back to other channels than it left finds those that stayed; the name
// itself is nobody's business.

/** The positions in a composite cursor, by key; undefined for what is none. */
export function parseCompositeCursor(cursor: string): ReadonlyMap<string, Position> | undefined {
  const positions = new Map<string, Position>();
  for (const part of cursor.split(",")) {
    const [, key, position] = /^([a-z2-7]{5}):([a-z0-9.]+)$/.exec(part) ?? [];
    if (key === undefined || position === undefined || !isPosition(position) || positions.has(key)) return undefined;
    positions.set(key, position);
  }
  return positions;
}

export function formatCompositeCursor(keys: readonly string[], positions: readonly Position[]): string {
  return keys.map((key, i) => `${key}:${positions[i]}`).join(",");
}

/** The keys of channels, in their order; where two names hash alike, the later one takes the next key. */
export function keysOf(names: readonly string[]): readonly string[] {
  const keys = new Set<string>();
  for (const name of names) {
    let hash = fnv1a(name);
    while (keys.has(keyOf(hash))) hash++;
    keys.add(keyOf(hash));
  }
  return [...keys];
}

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

/** 25 bits. */
function keyOf(hash: number): string {
  let key = "";
  for (let shift = 0; shift < 25; shift += 5) key += ALPHABET[(hash >>> shift) & 31];
  return key;
}

/** FNV-1a, 32 bits, of UTF-16 code units. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
