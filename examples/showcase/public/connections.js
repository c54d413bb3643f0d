import { PAGE } from "./live.js";
import { createJournal } from "./journal.js";
import { byId } from "./page.js";

/** The strip between the panels: what becomes of this page's connections, and the button that cuts them. */
export function startConnections() {
  const journal = createJournal("journal", () => new Date().toLocaleTimeString("en-GB"), { newestFirst: true });
  fadeWhereMore(byId("journal"));
  const button = byId("cut-button");
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const response = await fetch(`/pages/${PAGE}/cut`, { method: "POST" });
      const { cut } = await response.json();
      // What comes of it is seen where it matters: at this end of the streams.
      if (cut === 0) journal.write("plain", "There was no connection to cut.");
    } catch {
      journal.write("cut", "The server cannot be reached: there is nothing to cut.");
    }
    setTimeout(() => (button.disabled = false), 500);
  });
  return journal;
}

/** A list that goes on below its edge fades there, and one that ends does not. */
function fadeWhereMore(list) {
  const look = () => {
    const isMore = list.scrollTop + list.clientHeight < list.scrollHeight - 2;
    list.classList.toggle("is-more", isMore);
  };
  list.addEventListener("scroll", look, { passive: true });
  new MutationObserver(look).observe(list, { childList: true });
  new ResizeObserver(look).observe(list);
}
