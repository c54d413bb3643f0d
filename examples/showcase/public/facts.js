import { byId } from "./page.js";

/** The foot of the page: live numbers, which every sample of the machine brings along. */
export function showFacts(facts, isStale = false) {
  const list = byId("facts");
  list.classList.toggle("is-stale", isStale);
  for (const value of facts === undefined ? [] : list.querySelectorAll("[data-fact]")) {
    value.textContent = Number(facts[value.dataset.fact]).toLocaleString("en");
  }
}
