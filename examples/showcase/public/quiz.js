import { PAGE } from "./live.js";
import { byId, count, show, tell } from "./page.js";

const STATUS = "quiz-status";

/** Panel one: what all pages see of the quiz at once, and this page's part in it. */
export function startQuiz(live) {
  const list = byId("quiz-choices");
  const score = { answered: 0, right: 0 };
  let state;
  /** What this page has chosen, and in which round. */
  let mine;
  /** By how much the server's clock is ahead of this one, in ms. */
  let ahead = 0;
  show("quiz-curl", `curl -N ${location.origin}/quiz/events`);
  setInterval(showTime, 200);

  const channel = live.follow({
    name: "quiz",
    types: ["question", "tally", "reveal", "pages"],
    from: "with a fresh snapshot",
    receive: (_type, data) => apply(data),
    onBreak: () => (state = undefined),
    onState: (tone) => byId("quiz").classList.toggle("is-stale", tone === "bad"),
  });

  /** Every event carries the whole state: the newest is what is so. */
  function apply(next) {
    const isNew = state?.round !== next.round || state.text !== next.text;
    const isRevealed = next.reveal !== undefined && (isNew || state.reveal === undefined);
    state = next;
    if (isNew) ask();
    show("quiz-pages", count(state.pages, "page"));
    const votes = state.tally.reduce((sum, number) => sum + number, 0);
    for (const [index, { firstElementChild: button }] of [...list.children].entries()) {
      const chosen = state.tally[index];
      button.querySelector("[data-votes]").textContent = String(chosen);
      button
        .querySelector("[data-share]")
        .style.setProperty("transform", `scaleX(${votes === 0 ? 0 : chosen / votes})`);
      button.disabled = mine !== undefined || state.reveal !== undefined;
      button.setAttribute("aria-pressed", String(mine === index));
      button.dataset.verdict = state.reveal === undefined ? "" : index === state.reveal.right ? "right" : "wrong";
    }
    if (isRevealed) reveal();
    else if (mine !== undefined && state.reveal === undefined) {
      tell(
        STATUS,
        "live",
        `You have answered, as ${votes} of ${count(state.pages, "page")} ${votes === 1 ? "has" : "have"}.`,
      );
    }
    showTime();
  }

  function ask() {
    mine = undefined;
    show("quiz-round", `Question ${state.round}`);
    show("quiz-question", state.text);
    show("quiz-why", "");
    byId("quiz-clock").dataset.phase = "open";
    tell(STATUS, "quiet", "Choose one. Every open page sees the tally move.");
    list.replaceChildren(
      ...state.choices.map((text, index) => {
        const button = document.createElement("button");
        button.type = "button";
        const share = Object.assign(document.createElement("span"), { className: "share" });
        share.dataset.share = "";
        const votes = Object.assign(document.createElement("span"), { className: "votes" });
        votes.dataset.votes = "";
        button.append(share, Object.assign(document.createElement("span"), { textContent: text }), votes);
        button.addEventListener("click", () => void answer(index));
        const item = document.createElement("li");
        item.append(button);
        return item;
      }),
    );
  }

  async function answer(choice) {
    // Nothing is asked while a fresh snapshot is on its way.
    if (state === undefined) return;
    const { round } = state;
    mine = choice;
    try {
      const response = await fetch("/quiz/answer", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ page: PAGE, round, choice }),
      });
      if (!response.ok) throw new Error((await response.json()).error);
    } catch (error) {
      if (state?.round !== round) return;
      mine = undefined;
      tell(STATUS, "bad", error instanceof TypeError ? "The server cannot be reached." : error.message);
    }
  }

  function reveal() {
    const { right, why } = state.reveal;
    byId("quiz-clock").dataset.phase = "reveal";
    show("quiz-why", why);
    if (mine === undefined) return tell(STATUS, "quiet", `It is “${state.choices[right]}”. You did not answer.`);
    score.answered++;
    if (mine === right) score.right++;
    const verdict = mine === right ? "Right" : `No: “${state.choices[right]}”`;
    tell(STATUS, mine === right ? "good" : "bad", `${verdict}. ${score.right} of ${score.answered} so far.`);
  }

  function showTime() {
    if (state === undefined) return;
    const left = Math.max(0, state.endsAt - Date.now() - ahead);
    show(
      "quiz-clock",
      state.reveal === undefined ? `${Math.ceil(left / 1000)} s` : `next in ${Math.ceil(left / 1000)} s`,
    );
  }

  /** Takes a snapshot: the state, and what the server's clock says. */
  return ({ state: now, now: clock }) => {
    ahead = clock - Date.now();
    channel.startBehind(now.n);
    apply(now);
  };
}
