import { createFlow } from "./flow.js";
import { showNotice } from "./notice.js";
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
 * One connection for several channels, followed with the browser's own EventSource through whatever befalls it. It has one
 * cursor for all; where a channel's events carry a running number, `n`, the page keeps account, so that one that is lost
 * or comes twice shows.
 *
 * @param journal what happens to the connection is written there
 */
export function createLive(journal) {
  const channels = [];
  /** What the server is asked for beside the channels. */
  const asked = {};
  let source;
  /** The id of the last event, opaque. */
  let position;
  /** How it was when the connection was lost, until the page has caught up. */
  let away;
  let snapshot;
  document.addEventListener("visibilitychange", () => (document.hidden ? letGo() : comeBack()));

  /** From a snapshot; what is no part of it begins with its history. */
  async function startAnew() {
    source?.close();
    position = undefined;
    for (const channel of channels) channel.reset();
    try {
      const response = await fetch("/live");
      const taken = await response.json();
      position = taken.position;
      snapshot(taken);
      open();
    } catch {
      state("bad", "cannot reach the server");
      setTimeout(() => void startAnew(), 1000);
    }
  }

  function open() {
    source?.close();
    if (document.hidden) return;
    const query = new URLSearchParams({
      page: PAGE,
      ...asked,
      ...(position !== undefined && { lastEventId: position }),
    });
    source = new EventSource(`/live/events?${query}`);
    source.addEventListener("open", onOpen);
    source.addEventListener("error", onError);
    source.addEventListener("sluice.live", onLive);
    source.addEventListener("sluice.gap", onGap);
    source.addEventListener("going", onGoing);
    for (const channel of channels) {
      for (const type of channel.types) {
        source.addEventListener(type, (event) => {
          position = event.lastEventId;
          channel.take(event, away !== undefined);
        });
      }
    }
  }

  function onOpen() {
    for (const { flow } of channels) flow?.mark("open");
    if (away !== undefined) away.ms ??= Math.round(performance.now() - away.since);
    // A server that is going answers, too, and ends at once.
    if (!showNotice.isGoing) state("live", "connected");
  }

  function onError() {
    if (source.readyState === EventSource.CLOSED) setTimeout(open, 2000);
    if (away !== undefined) {
      showNotice("gone");
      return state("bad", "the browser is trying again");
    }
    leave();
    for (const channel of channels) {
      channel.state("bad", `cut behind event no. ${channel.last ?? 0}`);
      if (!channel.isCounted) continue;
      const behind = `**${channel.name}** cut behind event no. ${channel.last ?? 0}.`;
      journal.write("cut", `${behind} The browser will be back in about a second.`);
    }
  }

  function leave() {
    away = { since: performance.now() };
    for (const channel of channels) channel.leave();
  }

  /** All that had waited has come. */
  function onLive(event) {
    position = event.lastEventId;
    for (const { wire } of channels) wire?.append(frameOf(event));
    state("live", "connected");
    showNotice("back");
    if (away === undefined) return;
    const { ms, isHidden } = away;
    away = undefined;
    for (const channel of channels) {
      if (!channel.isCounted) continue;
      const { waited, lost, repeated, behind } = channel.sinceLeft();
      const back = isHidden ? "looked at again" : "back";
      journal.write(
        lost + repeated === 0 ? "good" : "cut",
        `**${channel.name}** ${back} after ${ms.toLocaleString("en")} ms, resumed behind event no. ${behind}: ` +
          `${count(waited, "event")} had waited, ${lost} lost, ${repeated} repeated.`,
      );
    }
  }

  /** The server says that it cannot go on from where this page was: so nothing here pretends that it did. */
  function onGap(event) {
    const { reason } = JSON.parse(event.data);
    const why = GAPS[reason] ?? `the server does not know where this page was (\`${reason}\`)`;
    for (const channel of channels) {
      channel.wire?.append(frameOf(event));
      channel.onBreak?.(reason);
      if (!channel.isCounted) continue;
      journal.write(
        "cut",
        `**${channel.name}**: ${why}. What followed event no. ${channel.last ?? 0} is not to be had. Starting anew ${channel.from}.`,
      );
    }
    away = undefined;
    void startAnew();
  }

  function onGoing(event) {
    position = event.lastEventId;
    showNotice("going", JSON.parse(event.data));
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
    for (const channel of channels) channel.state(tone, words);
  }

  return {
    /** Adds a channel, before the start; see `createChannel`. */
    follow(options) {
      const channel = createChannel(options);
      channels.push(channel);
      return channel;
    },
    /** @param take gets what `GET /live` answers, before the events that follow it */
    start(take) {
      snapshot = take;
      if (!document.hidden) void startAnew();
    },
    /** Asks for something else from here on: the cursor stays. */
    ask(query) {
      Object.assign(asked, query);
      if (position !== undefined && source !== undefined) open();
    },
  };
}

/**
 * What the page keeps of one channel.
 *
 * @param name what it is called, in the ids of its elements too
 * @param types the types of its events
 * @param isCounted whether its events carry a running number
 * @param from where it begins anew, in words
 * @param receive told of each event: its type and its data
 * @param onBreak told, with a reason, that what comes next does not continue what was
 * @param onState told how the connection is
 */
function createChannel({ name, types, isCounted = true, from, receive, onBreak, onState }) {
  const wire = isCounted ? createWire(`${name}-wire`) : undefined;
  const flow = isCounted ? createFlow(`${name}-flow`, SHOWN, { isMoving: true }) : undefined;
  const account = { events: 0, lost: 0, repeated: 0 };
  let last;
  let left = { ...account, behind: 0 };
  flow?.start();
  return {
    name,
    types,
    isCounted,
    from,
    wire,
    flow,
    onBreak,
    get last() {
      return last;
    },
    take(event, isLate) {
      const data = JSON.parse(event.data);
      if (isCounted) {
        if (last !== undefined && data.n <= last) account.repeated++;
        else if (last !== undefined) account.lost += data.n - last - 1;
        last = Math.max(last ?? 0, data.n);
        account.events++;
        flow.mark(isLate ? "caught-up" : "event");
        wire.append(frameOf(event));
        const { events, lost, repeated } = account;
        show(`${name}-account`, `${count(events, "event")}, ${lost} lost, ${repeated} repeated`);
      }
      receive(event.type, data);
    },
    leave() {
      flow?.mark("cut");
      left = { ...account, behind: last ?? 0 };
    },
    sinceLeft() {
      const { events, lost, repeated } = account;
      const { behind } = left;
      return { behind, waited: events - left.events, lost: lost - left.lost, repeated: repeated - left.repeated };
    },
    /** What comes next does not continue what was. */
    reset() {
      last = undefined;
    },
    /** The snapshot holds the event with this number. */
    startBehind(n) {
      last = n;
    },
    state(tone, words) {
      if (isCounted) {
        byId(`${name}-state`).dataset.tone = tone;
        show(`${name}-state`, words);
      }
      onState?.(tone);
    },
  };
}

function frameOf({ type, lastEventId, data }) {
  return `event: ${type}\nid: ${lastEventId}\ndata: ${data}\n\n`;
}
