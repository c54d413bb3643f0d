/** The element with this id, which is in index.html. */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`There is no element #${id}`);
  return element;
}

export function show(id, text) {
  byId(id).textContent = text;
}

/** Sets a status line; `tone` is "quiet", "live", "good" or "bad". */
export function tell(id, tone, text) {
  const line = byId(id);
  line.dataset.tone = tone;
  line.textContent = text;
}

export function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}

export function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}
