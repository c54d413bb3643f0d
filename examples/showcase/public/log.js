import { byId, count, show } from "./page.js";

const LEVELS = ["debug", "info", "warn", "error"];

/** So many lines are kept. */
const MOST_LINES = 250;

/** Panel four: the tail of the server's own log, as much of it as was asked for, and none of its secrets. */
export function startLog(live) {
  const list = byId("log-lines");
  let level = "info";
  let lines = 0;
  show("log-curl", `curl -N "${location.origin}/log/events?level=debug"`);

  live.follow({
    name: "log",
    types: LEVELS.map((name) => `log.${name}`),
    isCounted: false,
    receive: (type, entry) => add(type.slice("log.".length), entry),
    onBreak: () => rule("another server"),
    onState: (tone) => byId("log").classList.toggle("is-stale", tone === "bad"),
  });

  for (const radio of document.querySelectorAll('[name="log-level"]')) {
    radio.addEventListener("change", () => {
      level = radio.value;
      // The server sends no others from here on; the connection is another, and its cursor the same.
      live.ask({ level });
      for (const line of list.querySelectorAll("li")) if (isBelow(line.dataset.level)) line.remove();
      rule(`from here on, ${level === "error" ? "errors" : `${level} and above`}`);
    });
  }

  byId("secret-button").addEventListener("click", async () => {
    const token = crypto.randomUUID();
    // oxlint-disable-next-line no-empty-function -- what comes of it is seen in the log
    await fetch(`/log/visit?token=${token}&from=miss.bennet%40longbourn.example&topic=weather`, {
      method: "POST",
      headers: { Authorization: `Bearer ${token}` },
    }).catch(() => {});
  });

  function isBelow(name) {
    return name !== undefined && LEVELS.indexOf(name) < LEVELS.indexOf(level);
  }

  function add(name, { at, message, ...fields }) {
    const time = new Date(at).toLocaleTimeString("en-GB");
    const line = document.createElement("li");
    line.dataset.level = name;
    line.append(span("time", time), span("level", name), span("message", message));
    for (const [key, value] of Object.entries(fields)) {
      const text = typeof value === "string" ? value : JSON.stringify(value);
      const field = span("field", `${key}=`);
      // What was masked on the server stands out.
      for (const part of text.split(/(•••)/)) field.append(part === "•••" ? span("masked", part) : part);
      line.append(" ", field);
    }
    append(line);
    show("log-count", count(++lines, "line"));
  }

  function rule(words) {
    const line = document.createElement("li");
    line.className = "rule";
    line.textContent = words;
    append(line);
  }

  function append(line) {
    const isAtEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 40;
    list.append(line);
    if (list.childElementCount > MOST_LINES) list.firstElementChild.remove();
    if (isAtEnd) list.scrollTop = list.scrollHeight;
  }
}

function span(className, text) {
  return Object.assign(document.createElement("span"), { className, textContent: text });
}
