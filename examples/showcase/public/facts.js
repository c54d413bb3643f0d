import { byId } from "./page.js";

/** The foot of the page: live numbers, over a stream of their own. */
export function startFacts() {
  const list = byId("facts");
  const source = new EventSource("/facts");
  source.addEventListener("facts", ({ data }) => {
    list.classList.remove("is-stale");
    const facts = JSON.parse(data);
    for (const value of list.querySelectorAll("[data-fact]")) {
      const { fact, unit } = value.dataset;
      value.textContent = Number(facts[fact]).toLocaleString("en") + (unit === undefined ? "" : ` ${unit}`);
    }
  });
  // The browser tries again by itself; until then the numbers are of yesterday.
  source.addEventListener("error", () => list.classList.add("is-stale"));
}
