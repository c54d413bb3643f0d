import { byId, count } from "./page.js";

const MOST_FRAMES = 400;

/** The collapsible log of a stream: its newest frames, as text. */
export function createWire(id) {
  const details = byId(id);
  const pre = details.querySelector("[data-frames]");
  const counter = details.querySelector("[data-count]");
  let frames = [];
  let total = 0;
  let unfinished = "";

  const render = () => {
    counter.textContent = count(total, "frame");
    if (!details.open) return;
    const isAtEnd = pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 40;
    pre.textContent = frames.join("");
    if (isAtEnd) pre.scrollTop = pre.scrollHeight;
  };
  details.addEventListener("toggle", render);

  return {
    /** Takes text of an event stream, cut anywhere; a blank line ends a frame. */
    append(text) {
      const parts = (unfinished + text).split(/(?<=\n\n)/);
      unfinished = parts.at(-1).endsWith("\n\n") ? "" : parts.pop();
      frames.push(...parts);
      total += parts.length;
      if (frames.length > MOST_FRAMES) frames = frames.slice(-MOST_FRAMES);
      render();
    },
    clear() {
      frames = [];
      total = 0;
      unfinished = "";
      render();
    },
  };
}
