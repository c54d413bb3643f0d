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

/** A time of any length, in one figure. */
export function duration(ms) {
  const whole = Math.round(ms / 1000);
  if (whole < 90) return `${whole} s`;
  return whole < 5400 ? `${Math.round(whole / 60)} min` : `${Math.round(whole / 3600)} h`;
}

export function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}
