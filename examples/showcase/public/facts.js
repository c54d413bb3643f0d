import { byId } from "./page.js";

/** The foot of the page: live numbers, over a stream of their own. */
export function startFacts() {
  const list = byId("facts");
  let source;

  // Over HTTP/1.1 a browser opens six connections to a server, for all tabs together: one that nobody sees holds none.
  const follow = () => {
    source?.close();
    source = document.hidden ? undefined : new EventSource("/facts");
    source?.addEventListener("facts", ({ data }) => show(JSON.parse(data)));
    // The browser tries again by itself; until then the numbers are of yesterday.
    source?.addEventListener("error", () => list.classList.add("is-stale"));
  };
  document.addEventListener("visibilitychange", follow);
  follow();

  function show(facts) {
    list.classList.remove("is-stale");
    for (const value of list.querySelectorAll("[data-fact]")) {
      const { fact, unit } = value.dataset;
      value.textContent = Number(facts[fact]).toLocaleString("en") + (unit === undefined ? "" : ` ${unit}`);
    }
  }
}
