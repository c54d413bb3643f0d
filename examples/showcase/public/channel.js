import { createFlow } from "./flow.js";
import { byId, count, show } from "./page.js";
import { createWire } from "./wire.js";

/** This page's own name, which nobody guesses: who knows it may cut its connections. */
export const PAGE = [...crypto.getRandomValues(new Uint8Array(16))]
  .map((byte) => byte.toString(16).padStart(2, "0"))
  .join("");

/** How much of a stream's past its line shows, in ms. */
const SHOWN = 45_000;

const GAPS = {
  reset: "the server was restarted, and its log began anew (`reset`)",
  truncated: "this page was away for longer than the server keeps events (`truncated`)",
};

/**
 * Follows a channel with the browser's own EventSource, through whatever befalls the connection, and keeps account: every
 * event carries a running number, `n`, so that one that is lost or comes twice shows.
 *
 * @param name what the stream is called, in the ids of its elements too
 * @param path where it is
 * @param types the types of its events
 * @param journal what happens to the connection is written there
 * @param snapshot where there is one: gets the state, and answers `{ position, n }`, behind which the stream is joined
 * @param receive told of each event: its type and its data
 * @param onBreak told, with a reason, that what comes next does not continue what was
 */
export function followChannel({ name, path, types, journal, snapshot, receive, onBreak, onState }) {
  const wire = createWire(`${name}-wire`);
  const flow = createFlow(`${name}-flow`, SHOWN, { isMoving: true });
  const account = { events: 0, lost: 0, repeated: 0 };
  let source;
  /** The id of the last event, opaque, and its running number. */
  let position;
  let last;
  /** How it was when the connection was lost, until the page has caught up. */
  let away;
  flow.start();
  if (!document.hidden) void startAnew();
  document.addEventListener("visibilitychange", () => (document.hidden ? letGo() : comeBack()));

  /** From a snapshot, where the channel has one, else from what the server keeps. */
  async function startAnew() {
    source?.close();
    position = undefined;
    last = undefined;
    try {
      if (snapshot !== undefined) ({ position, n: last } = await snapshot());
      open();
    } catch {
      state("bad", "cannot reach the server");
      setTimeout(() => void startAnew(), 1000);
    }
  }

  function open() {
    source?.close();
    if (document.hidden) return;
    const query = new URLSearchParams({ page: PAGE, ...(position !== undefined && { lastEventId: position }) });
    source = new EventSource(`${path}?${query}`);
    source.addEventListener("open", onOpen);
    source.addEventListener("error", onError);
    source.addEventListener("sluice.live", onLive);
    source.addEventListener("sluice.gap", onGap);
    for (const type of types) source.addEventListener(type, onEvent);
  }

  function onOpen() {
    flow.mark("open");
    if (away !== undefined) away.ms ??= Math.round(performance.now() - away.since);
    state("live", "connected");
  }

  function onError() {
    if (source.readyState === EventSource.CLOSED) setTimeout(open, 2000);
    if (away !== undefined) return state("bad", "the browser is trying again");
    leave();
    state("bad", `cut behind event no. ${last ?? 0}`);
    journal.write("cut", `**${name}** cut behind event no. ${last ?? 0}. The browser will be back in about a second.`);
  }

  function leave() {
    flow.mark("cut");
    away = { since: performance.now(), behind: last ?? 0, ...account };
  }

  function onEvent(event) {
    const data = JSON.parse(event.data);
    position = event.lastEventId;
    if (last !== undefined && data.n <= last) account.repeated++;
    else if (last !== undefined) account.lost += data.n - last - 1;
    last = Math.max(last ?? 0, data.n);
    account.events++;
    flow.mark(away === undefined ? "event" : "caught-up");
    log(event);
    tally();
    receive(event.type, data);
  }

  /** All that had waited has come. */
  function onLive(event) {
    position = event.lastEventId;
    log(event);
    if (away === undefined) return;
    const { behind, ms, events, lost, repeated, isHidden } = away;
    away = undefined;
    const waited = account.events - events;
    const verdict = `${account.lost - lost} lost, ${account.repeated - repeated} repeated`;
    const back = isHidden ? "looked at again" : "back";
    journal.write(
      account.lost + account.repeated === lost + repeated ? "good" : "cut",
      `**${name}** ${back} after ${ms.toLocaleString("en")} ms, resumed behind event no. ${behind}: ` +
        `${count(waited, "event")} had waited, ${verdict}.`,
    );
  }

  /** The server says that it cannot go on from where this page was: so nothing here pretends that it did. */
  function onGap(event) {
    log(event);
    const { reason } = JSON.parse(event.data);
    const why = GAPS[reason] ?? `the server does not know where this page was (\`${reason}\`)`;
    const from = snapshot === undefined ? "with what the server has" : "with a fresh snapshot";
    journal.write(
      "cut",
      `**${name}**: ${why}. What followed event no. ${last ?? 0} is not to be had. Starting anew ${from}.`,
    );
    away = undefined;
    onBreak?.(reason);
    if (snapshot === undefined) last = undefined;
    else void startAnew();
  }

  /** Over HTTP/1.1 a browser opens six connections to a server, for all tabs together: one that nobody sees holds none. */
  function letGo() {
    if (source === undefined) return;
    source.close();
    if (away === undefined) leave();
    away.isHidden = true;
    state("quiet", "let go while nobody looks");
  }

  function comeBack() {
    if (position === undefined) void startAnew();
    else open();
  }

  function state(tone, words) {
    byId(`${name}-state`).dataset.tone = tone;
    show(`${name}-state`, words);
    onState?.(tone);
  }

  function tally() {
    const { events, lost, repeated } = account;
    show(`${name}-account`, `${count(events, "event")}, ${lost} lost, ${repeated} repeated`);
  }

  function log({ type, lastEventId, data }) {
    wire.append(`event: ${type}\nid: ${lastEventId}\ndata: ${data}\n\n`);
  }
}
