import { PAGE } from "./live.js";
import { byId, count, show, tell } from "./page.js";
import { createWire } from "./wire.js";
import { decodeEventStream } from "/sluice/index.ts";

const STATUS = "market-status";

/** How many prices a tile draws. */
const DRAWN = 48;

/** A tile shows each change, but flashes only so often, in ms. */
const FLASH = 900;

/** How this page reads: all the time, in sips with so many ms between them, or not at all. */
const PACES = { all: 0, slow: 2000, slower: 5000, stop: undefined };

/** Panel three: quotes, of which a slow reader gets the newest of each symbol. */
export function startMarket() {
  const wire = createWire("market-wire");
  const tiles = new Map();
  const account = { read: 0, overtaken: 0 };
  let pace = "all";
  /** The cursor, and the running number of the last quote that was read; its beginning is history. */
  let position;
  let last;
  let isHistory = true;
  /** How many there have been when the machine was last sampled. */
  let published = 0;
  let reading = new AbortController();
  let isSeen = false;
  show("market-curl", `curl -N ${location.origin}/market/events`);
  for (const radio of document.querySelectorAll('[name="market-pace"]')) {
    radio.addEventListener("change", () => {
      pace = radio.value;
      restart();
    });
  }
  // What nobody sees holds no connection: there are six for all tabs.
  new IntersectionObserver(([{ isIntersecting }]) => {
    isSeen = isIntersecting;
    restart();
  }).observe(byId("market"));
  document.addEventListener("visibilitychange", restart);

  function restart() {
    reading.abort();
    reading = new AbortController();
    byId("market").classList.toggle("is-stale", pace === "stop");
    if (pace === "stop") showWaiting();
    else if (isSeen && !document.hidden) void read(reading.signal);
  }

  async function read(signal) {
    while (!signal.aborted) {
      try {
        await sip(signal);
      } catch {
        if (signal.aborted) return;
        tell(STATUS, "bad", "Disconnected. The page tries again.");
      }
      await new Promise((resolve) => setTimeout(resolve, Math.max(PACES[pace] ?? 0, 1000)));
    }
  }

  /** Reads from where it was: to the end where all is read, else until it has caught up. */
  async function sip(signal) {
    const before = { last, ...account };
    const query = new URLSearchParams({ page: PAGE, ...(position !== undefined && { lastEventId: position }) });
    const left = new AbortController();
    const response = await fetch(`/market/events?${query}`, { signal: AbortSignal.any([signal, left.signal]) });
    try {
      for await (const { event, data, id } of decodeEventStream(response, { parse: JSON.parse, signal })) {
        position = id ?? position;
        wire.append(`event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
        if (event === "quote") take(data);
        if (event === "sluice.gap") startAnew(data.reason);
        if (event !== "sluice.live") continue;
        caughtUp(before);
        if (pace !== "all") return;
      }
    } finally {
      left.abort();
    }
  }

  function take({ n, symbol, price, opened }) {
    if (!isHistory && n > last + 1) account.overtaken += n - last - 1;
    last = n;
    account.read++;
    published = Math.max(published, n);
    const tile = tiles.get(symbol) ?? createTile(symbol, tiles);
    tile.set(price, opened);
    showSoon();
  }

  /** A new server has a new market; one that was left for minutes has forgotten where this page was. */
  function startAnew(reason) {
    if (reason === "reset") for (const tile of tiles.values()) tile.clear();
    last = undefined;
    isHistory = true;
    published = 0;
  }

  function caughtUp(before) {
    const isFirst = isHistory;
    isHistory = last === undefined;
    if (pace === "all") return tell(STATUS, "live", "Every quote, as it comes. Now read more slowly.");
    if (isFirst || last === undefined) return;
    const came = account.read - before.read;
    const words = `${count(last - before.last, "quote")} since the last sip: ${came} came, ${account.overtaken - before.overtaken} overtaken.`;
    tell(STATUS, "good", `${words} Of each river the newest.`);
  }

  let isDue = false;
  function showSoon() {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      for (const tile of tiles.values()) tile.draw();
      byId("market-tiles").dataset.quotes = String(account.read);
      showAccount();
    });
  }

  function showAccount() {
    show("market-read", account.read.toLocaleString("en"));
    show("market-overtaken", account.overtaken.toLocaleString("en"));
    const waiting = last === undefined ? 0 : Math.max(0, published - last);
    show("market-waiting", waiting.toLocaleString("en"));
  }

  function showWaiting() {
    showAccount();
    const waiting = last === undefined ? 0 : Math.max(0, published - last);
    tell(STATUS, "quiet", `You do not read. ${count(waiting, "quote")} since; the server keeps no queue for you.`);
  }

  /** Each sample of the machine tells how many quotes there have been: this panel may not be reading. */
  return (facts) => {
    published = Math.max(published, facts.quotes);
    if (pace === "stop") showWaiting();
    else showAccount();
  };
}

/** One river: its name, its price, and how that went. */
function createTile(symbol, tiles) {
  const element = document.createElement("li");
  element.className = "tile";
  const part = (tag, className) => {
    const child = document.createElement(tag);
    child.className = className;
    element.append(child);
    return child;
  };
  part("span", "symbol").textContent = symbol;
  const change = part("span", "change");
  const shown = part("span", "price");
  const canvas = part("canvas", "spark");
  let prices = [];
  let reference = 0;
  let isDirty = false;
  let flashedAt = 0;
  // In the order of their names, whichever is quoted first.
  const next = [...tiles.keys()].filter((other) => other > symbol).toSorted()[0];
  const list = byId("market-tiles");
  list.insertBefore(element, next === undefined ? null : tiles.get(next).element);
  new ResizeObserver(() => drawSpark(canvas, prices, reference)).observe(canvas);

  const tile = {
    element,
    set(price, opened) {
      prices.push(price);
      if (prices.length > DRAWN) prices.shift();
      reference = opened;
      isDirty = true;
    },
    clear() {
      prices = [];
    },
    draw() {
      if (!isDirty) return;
      isDirty = false;
      const price = prices.at(-1);
      const before = prices.at(-2) ?? price;
      const percent = (price / reference - 1) * 100;
      shown.textContent = (price / 100).toFixed(2);
      change.textContent = `${percent < 0 ? "−" : "+"}${Math.abs(percent).toFixed(1)} %`;
      element.dataset.trend = percent < 0 ? "down" : "up";
      drawSpark(canvas, prices, reference);
      const now = performance.now();
      if (price === before || now - flashedAt < FLASH) return;
      flashedAt = now;
      element.animate?.(
        [{ backgroundColor: `var(${price > before ? "--water-wash" : "--rust-wash"})` }, {}],
        matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 450,
      );
    },
  };
  tiles.set(symbol, tile);
  return tile;
}

function drawSpark(canvas, prices, reference) {
  const { width, height } = canvas.getBoundingClientRect();
  const scale = devicePixelRatio;
  if (canvas.width !== Math.round(width * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  if (prices.length < 2) return;
  const low = Math.min(...prices);
  const high = Math.max(...prices, low + 1);
  const style = getComputedStyle(canvas);
  context.strokeStyle = style.getPropertyValue(prices.at(-1) < reference ? "--rust" : "--water");
  context.lineWidth = 1.4;
  context.lineJoin = "round";
  context.beginPath();
  prices.forEach((price, index) => {
    const x = 1 + (index / (prices.length - 1)) * (width - 2);
    context.lineTo(x, height - 2 - ((price - low) / (high - low)) * (height - 4));
  });
  context.stroke();
}
