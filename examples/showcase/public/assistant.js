import { createFlow } from "./flow.js";
import { byId, count, seconds, show, tell } from "./page.js";
import { createWire } from "./wire.js";
// Sluice's own source: the server takes the types out on the way, and nothing else.
import { decodeEventStream } from "/sluice/index.ts";

const STATUS = "assistant-status";

/** Panel one: asks, shows each token as it comes, and stops at once. */
export function startAssistant() {
  const form = byId("ask");
  const input = byId("prompt");
  const wire = createWire("assistant-wire");
  const flow = createFlow("assistant-flow", 6000);
  let current;

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (current !== undefined) return;
    input.value = input.value.trim() || input.placeholder;
    void run(input.value);
  });
  for (const chip of form.querySelectorAll("[data-prompt]")) {
    chip.addEventListener("click", () => {
      input.value = chip.dataset.prompt;
      form.requestSubmit();
    });
  }
  byId("stop-button").addEventListener("click", () => current?.abort());
  input.addEventListener("input", showCurl);
  showCurl();

  async function run(prompt) {
    current = new AbortController();
    showCurl();
    setBusy(true);
    wire.clear();
    flow.start();
    try {
      await ask(prompt, current.signal, wire, flow);
    } finally {
      flow.mark("end");
      flow.end();
      setBusy(false);
      current = undefined;
    }
  }

  function setBusy(isBusy) {
    const hadFocus = document.activeElement;
    byId("answer").setAttribute("aria-busy", String(isBusy));
    byId("ask-button").hidden = isBusy;
    byId("stop-button").hidden = !isBusy;
    for (const chip of form.querySelectorAll("[data-prompt]")) chip.disabled = isBusy;
    // A button that goes takes the focus with it.
    if (isBusy && hadFocus !== input) byId("stop-button").focus();
    if (!isBusy && hadFocus === byId("stop-button")) byId("ask-button").focus();
  }

  function showCurl() {
    const body = JSON.stringify({ prompt: input.value.trim() || input.placeholder }).replaceAll("'", String.raw`'\''`);
    show("assistant-curl", `curl -N ${location.origin}/assistant -H 'Content-Type: application/json' -d '${body}'`);
  }
}

async function ask(prompt, signal, wire, flow) {
  const askedAt = performance.now();
  const answer = startAnswer(askedAt);
  tell(STATUS, "live", "Connecting…");
  let generation;
  let isWhole = false;
  try {
    const response = await fetch("/assistant", {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
      body: JSON.stringify({ prompt }),
      signal,
    });
    if (!response.ok) return tell(STATUS, "bad", (await response.json()).error);
    for await (const { event, data } of decodeEventStream(tapped(response, wire), { parse: JSON.parse, signal })) {
      flow.mark("event");
      if (event === "start") {
        generation = data.generation;
        tell(STATUS, "live", `Streaming from ${data.model}`);
      } else if (event === "token") {
        answer.append(data.text);
      } else if (event === "done") {
        isWhole = true;
        tell(STATUS, "good", `Done: ${count(data.tokens, "token")} in ${seconds(data.ms)}. The stream has ended.`);
      } else if (event === "problem") {
        isWhole = true;
        tell(STATUS, "bad", data.message);
      }
    }
    if (!isWhole) tell(STATUS, "bad", "The stream ended before the answer did. Is the server still there?");
  } catch {
    if (!signal.aborted) return tell(STATUS, "bad", "The connection was lost. Is the server still there?");
    tell(STATUS, "live", `Stopped after ${count(answer.tokens, "token")}. Asking the server…`);
    await confirmStop(generation, answer.tokens);
  } finally {
    answer.end();
  }
}

/** The response, with every chunk of its body shown on the way. */
function tapped(response, wire) {
  const utf8 = new TextDecoder();
  const tap = new TransformStream({
    transform(chunk, controller) {
      wire.append(utf8.decode(chunk, { stream: true }));
      controller.enqueue(chunk);
    },
  });
  return new Response(response.body.pipeThrough(tap), response);
}

/** Asks the server what became of the answer, until it says that it has stopped. */
async function confirmStop(generation, tokens) {
  const stoppedAt = performance.now();
  const stopped = `Stopped after ${count(tokens, "token")}`;
  if (generation === undefined) return tell(STATUS, "good", "Stopped before the first token.");
  while (performance.now() - stoppedAt < 5000) {
    try {
      const report = await (await fetch(`/assistant/${generation}`)).json();
      if (report.state !== "generating") {
        const within = Math.max(1, Math.round(performance.now() - stoppedAt));
        const made = report.tokens === tokens ? "at the same one" : `having made ${report.tokens}`;
        return tell(STATUS, "good", `${stopped}; the server stopped too, ${made}, within ${within} ms.`);
      }
    } catch {
      break;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  tell(STATUS, "bad", `${stopped}; the server did not confirm that it has.`);
}

function startAnswer(askedAt) {
  const box = byId("answer");
  let text = startParagraph();
  box.replaceChildren(text);
  let firstAt;
  let tokens = 0;
  for (const figure of ["tokens", "first", "rate"]) show(`assistant-${figure}`, "–");
  const clock = setInterval(showElapsed, 100);

  function showElapsed() {
    show("assistant-elapsed", seconds(performance.now() - askedAt));
  }

  return {
    get tokens() {
      return tokens;
    },
    append(piece) {
      const now = performance.now();
      const isAtEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 24;
      if (piece === "\n\n") {
        text.classList.add("is-complete");
        text = startParagraph();
        box.append(text);
      } else {
        const token = document.createElement("span");
        token.className = "token";
        token.textContent = piece;
        text.append(token);
      }
      // It follows the text, unless somebody has scrolled back to read.
      if (isAtEnd) box.scrollTop = box.scrollHeight;
      tokens++;
      if (firstAt === undefined) {
        firstAt = now;
        show("assistant-first", `${Math.round(now - askedAt)} ms`);
      }
      show("assistant-tokens", String(tokens));
      if (tokens > 4) show("assistant-rate", ((tokens - 1) / ((now - firstAt) / 1000)).toFixed(0));
    },
    end() {
      clearInterval(clock);
      showElapsed();
      text.classList.add("is-complete");
    },
  };
}

function startParagraph() {
  const paragraph = document.createElement("p");
  paragraph.className = "text";
  return paragraph;
}
