import { byId } from "./page.js";

/** The foot of the page: live numbers, which every sample of the machine brings along. */
export function showFacts(facts, isStale = false) {
  const list = byId("facts");
  list.classList.toggle("is-stale", isStale);
  for (const value of facts === undefined ? [] : list.querySelectorAll("[data-fact]")) {
    const number = Number(facts[value.dataset.fact]);
    value.textContent = value.dataset.unit === "bytes" ? bytes(number) : number.toLocaleString("en");
  }
}

function bytes(number) {
  return number < 1e6 ? `${(number / 1e3).toFixed(0)} kB` : `${(number / 1e6).toFixed(1)} MB`;
}
