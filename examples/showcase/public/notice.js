import { byId, seconds } from "./page.js";

/** For so long it is told that all is well again, in ms. */
const RELIEF = 5000;

let hiding;

/** When the last goodbye will have been said, in the time of `performance.now()`. */
let goneAt = 0;

/** Tells, above everything, that the server is going, has gone, or is back. */
export function showNotice(what, { within = 0 } = {}) {
  const notice = byId("notice");
  // Who has not been told of any trouble need not be told that it is over.
  if (what === "back" && notice.hidden) return;
  // Who is refused while others are still being sent away has not lost the server yet.
  if (what === "gone" && performance.now() < goneAt) return;
  goneAt = what === "going" ? performance.now() + within : 0;
  showNotice.isGoing = what === "going";
  clearTimeout(hiding);
  notice.hidden = false;
  notice.dataset.tone = what === "back" ? "good" : "bad";
  notice.textContent = {
    going: `The server is stopping: it says goodbye to all within ${seconds(within)}. This page will find the next one by itself.`,
    gone: "The server has gone. This page looks for it, and goes on by itself when it is back.",
    back: "The server is back, and so is this page.",
  }[what];
  if (what === "back") hiding = setTimeout(() => (notice.hidden = true), RELIEF);
}

/** The server has said that it is going, and nothing else has been heard since. */
showNotice.isGoing = false;
