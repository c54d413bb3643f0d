// Where a bundler has put core into a program twice, each has classes of its own: a mark says what an object is to both.

/** Marks the objects of a class. */
export function mark(aClass: { readonly prototype: object }, kind: string): void {
  Object.defineProperty(aClass.prototype, Symbol.for(kind), { value: true });
}

export function isMarked(value: unknown, kind: string): boolean {
  try {
    return typeof value === "object" && value !== null && Symbol.for(kind) in value;
  } catch {
    return false; // a Proxy that does not want to be asked
  }
}
