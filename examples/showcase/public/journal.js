import { byId } from "./page.js";

const MOST_ENTRIES = 60;

/** A list of what happened, the oldest first unless told otherwise; `stamp` says when. */
export function createJournal(id, stamp, { newestFirst = false } = {}) {
  const list = byId(id);
  return {
    /** Backticks in the text set code apart, and two asterisks what it is about. */
    write(kind, words) {
      const entry = document.createElement("li");
      entry.dataset.kind = kind;
      const time = document.createElement("time");
      time.textContent = stamp();
      const text = document.createElement("span");
      for (const part of words.split(/(`[^`]*`|\*\*[^*]*\*\*)/)) {
        const tag = part.startsWith("`") ? "code" : part.startsWith("**") ? "b" : undefined;
        const plain = part.replace(/^(?:`|\*\*)|(?:`|\*\*)$/g, "");
        text.append(tag === undefined ? part : Object.assign(document.createElement(tag), { textContent: plain }));
      }
      entry.append(time, text);
      if (newestFirst) list.prepend(entry);
      else list.append(entry);
      if (list.childElementCount > MOST_ENTRIES)
        (newestFirst ? list.lastElementChild : list.firstElementChild).remove();
    },
    clear() {
      list.replaceChildren();
    },
  };
}
