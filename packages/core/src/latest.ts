/**
 * Adds an item to the latest ones, of which the oldest comes first. It takes the place of one that is the same.
 *
 * A list and no map: a map from which the oldest is taken as often as another is added leaves tables behind, and what they
 * have held stays alive through a garbage collection of young objects.
 *
 * @param most how many are kept
 */
export function keepLatest<Item>(latest: Item[], item: Item, isSame: (other: Item) => boolean, most: number): void {
  const former = latest.findIndex(isSame);
  if (former !== -1) latest.splice(former, 1);
  latest.push(item);
  if (latest.length > most) latest.shift();
}
