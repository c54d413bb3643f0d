import { byId, duration, show } from "./page.js";

/** How much is shown, in seconds. */
const SHOWN = 120;

/** How wide a time without samples is drawn, however long it was, in seconds. */
const BREAK = 12;

/** The room that a time takes below the chart, in pixels, and what is free at the right of it. */
const TIME = 54;
const MARGIN = 12;

/**
 * A chart of the last two minutes of samples, drawn by uPlot. Where there are none, there is no line: the gap says why,
 * and takes the same room whether it was ten seconds or an hour.
 */
export function createChart(id, legendId) {
  const box = byId(id);
  const style = getComputedStyle(box);
  const colour = (name) => style.getPropertyValue(name);
  const faint = (name, percent) => `color-mix(in srgb, ${colour(name)} ${percent}%, transparent)`;
  const font = `11px ${style.fontFamily}`;
  const columns = { x: [], cpu: [], memory: [], at: [] };
  let gaps = [];
  let lastSample;
  let isDue = false;

  const axis = { font, stroke: () => colour("--soft"), ticks: { show: false } };
  const grid = { stroke: () => faint("--hairline", 70), width: 1 };
  // A classic script, which index.html loads.
  const plot = new globalThis.uPlot(
    {
      ...size(),
      padding: [8, MARGIN, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: { x: { time: false, range: (_plot, min, max) => rangeOf(min ?? 0, max ?? 0) }, y: { range: [0, 100] } },
      axes: [
        { ...axis, size: 24, gap: 6, grid: { show: false }, splits: timesOf, values: (_plot, xs) => xs.map(clockAt) },
        { ...axis, size: 40, gap: 6, grid, splits: () => [0, 50, 100], values: (_plot, ys) => ys.map((y) => `${y} %`) },
      ],
      series: [
        {},
        { stroke: () => colour("--water"), fill: () => faint("--water", 13), width: 1.75, points: { show: false } },
        { stroke: () => colour("--soft"), width: 1.5, dash: [5, 4], points: { show: false } },
      ],
      hooks: { drawClear: [drawGaps], setCursor: [showLegend] },
    },
    dataOf(columns),
    box,
  );

  new ResizeObserver(() => plot.setSize(size())).observe(box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot.redraw(false, true));

  function size() {
    return { width: Math.max(box.clientWidth, 100), height: Math.max(box.clientHeight, 100) };
  }

  /** Many samples may arrive at once: all are drawn together. */
  function drawSoon() {
    if (isDue) return;
    isDue = true;
    queueMicrotask(() => {
      isDue = false;
      plot.setData(dataOf(columns));
      showLegend(plot);
      box.dataset.points = String(columns.cpu.filter((value) => value !== null).length);
    });
  }

  function push(x, cpu, memory, at) {
    columns.x.push(x);
    columns.cpu.push(cpu);
    columns.memory.push(memory);
    columns.at.push(at);
    // One more than is seen, so that the line leaves the chart at its edge.
    while (columns.x[1] < x - SHOWN) for (const column of Object.values(columns)) column.shift();
    gaps = gaps.filter(({ to }) => to > x - SHOWN);
  }

  function addGap(label) {
    const from = columns.x.at(-1);
    if (from === undefined) return;
    gaps.push({ from, to: from + BREAK, label });
    push(from + BREAK / 2, null, null, lastSample.at);
  }

  function drawGaps({ ctx, bbox, valToPos }) {
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.font = `${11 * ratio}px ${style.fontFamily}`;
    for (const { from, to, label, ms } of gaps) {
      const left = Math.max(valToPos(from, "x", true), bbox.left);
      const width = Math.min(valToPos(to, "x", true), bbox.left + bbox.width) - left;
      ctx.fillStyle = faint("--rust", 9);
      ctx.fillRect(left, bbox.top, width, bbox.height);
      ctx.fillStyle = colour("--rust");
      writeInBand(ctx, ms === undefined ? label : `${label}, ${duration(ms)}`, left, width, bbox.top);
    }
    ctx.restore();
  }

  /** Across the band where that fits, else along it; in one that has all but left the chart, not at all. */
  function writeInBand(ctx, words, left, width, top) {
    const ratio = devicePixelRatio;
    const isAcross = ctx.measureText(words).width + 2 * ratio <= width;
    if (!isAcross && width < 15 * ratio) return;
    ctx.save();
    ctx.textAlign = isAcross ? "center" : "right";
    ctx.translate(left + width / 2 + (isAcross ? 0 : 4 * ratio), top + (isAcross ? 16 : 8) * ratio);
    if (!isAcross) ctx.rotate(-Math.PI / 2);
    ctx.fillText(words, 0, 0);
    ctx.restore();
  }

  /** As often as there is room for one, at a sample's place, so that it moves with the samples; none is cut at the edge. */
  function timesOf({ bbox }, _axis, min, max) {
    const places = [];
    const pixels = bbox.width / devicePixelRatio / (max - min);
    const step = [10, 30, 60].find((seconds) => seconds * pixels > TIME + 6) ?? SHOWN;
    const end = max - Math.max(0, TIME / 2 - MARGIN) / pixels;
    for (let place = Math.ceil(min / step) * step; place <= end; place += step) places.push(place);
    return places;
  }

  function clockAt(x) {
    const index = columns.x.findIndex((place) => place >= x);
    const at = index === -1 || columns.x[index] - x > 2 ? undefined : columns.at[index];
    return at === undefined ? "" : new Date(at).toLocaleTimeString("en-GB");
  }

  /** What the pointer is at, or the newest. */
  function showLegend({ cursor }) {
    const pointed = cursor.left >= 0 ? cursor.idx : undefined;
    const index = pointed ?? columns.x.length - 1;
    const percent = (value) => (value === null || value === undefined ? "–" : `${Math.round(value)} %`);
    show(`${legendId}-cpu`, percent(columns.cpu[index]));
    show(`${legendId}-memory`, percent(columns.memory[index]));
    const at = columns.at[index];
    show(
      `${legendId}-at`,
      pointed === undefined || at === undefined ? "now" : new Date(at).toLocaleTimeString("en-GB"),
    );
  }

  return {
    add(sample) {
      if (sample.rested !== undefined) addGap("no reader");
      const before = columns.x.at(-1);
      const isAfterGap = gaps.at(-1)?.to > before;
      const passed = lastSample === undefined ? 1 : Math.min(5, Math.max(0.2, (sample.at - lastSample.at) / 1000));
      const x = before === undefined ? 0 : isAfterGap ? gaps.at(-1).to : before + passed;
      if (isAfterGap) gaps.at(-1).ms = sample.rested ?? sample.at - lastSample.at;
      lastSample = sample;
      // What a platform cannot see is null, and leaves no line.
      const part = (value, whole) => (value === null ? null : (value / whole) * 100);
      push(x, part(sample.cpu, 1), part(sample.memoryUsed, sample.memoryTotal), sample.at);
      drawSoon();
    },
    /** What comes next does not continue what was. */
    breakOff(label) {
      addGap(label);
      drawSoon();
    },
  };
}

/** Two minutes, or less at first: half a minute at the least. */
function rangeOf(min, max) {
  return [Math.max(max - SHOWN, Math.min(min, max - SHOWN / 4)), max];
}

function dataOf({ x, cpu, memory }) {
  return [x, cpu, memory];
}
