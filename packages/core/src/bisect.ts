/**
 * The last index from `low` to `high` for which it holds; `low` where it holds for none. It has to hold for all that come
 * before one for which it does.
 */
export function lastFor(low: number, high: number, holds: (index: number) => boolean): number {
  let last = low;
  for (let end = high; last < end;) {
    const middle = Math.ceil((last + end) / 2);
    if (holds(middle)) last = middle;
    else end = middle - 1;
  }
  return last;
}
