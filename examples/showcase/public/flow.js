import { byId } from "./page.js";

/** How often a line moves on, in ms. */
const STEP = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1000 : 80;

/**
 * Draws a stream as it was: one mark for each event, at the moment it arrived. A break in the connection is a break in the
 * line, and what is caught up afterwards stands in a colour of its own.
 *
 * A stream that has an end is drawn whole, about `expectedMs` wide; one that moves shows the last `expectedMs` of itself.
 */
export function createFlow(id, expectedMs, { isMoving = false } = {}) {
  const canvas = byId(id);
  const context = canvas.getContext("2d");
  let startedAt = 0;
  let endedAt;
  /** Each with `at` in ms since the start, and a `kind`: "event", "caught-up", "cut" or "end". */
  let marks = [];
  /** Whether it was cut before the first of them. */
  let wasCut = false;
  let frame = 0;
  let step = 0;

  const draw = () => {
    frame = 0;
    const { width, height } = canvas.getBoundingClientRect();
    const scale = devicePixelRatio;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(name);
    const middle = height / 2;

    context.fillStyle = colour("--hairline");
    context.fillRect(0, middle - 0.5, width, 1);
    if (startedAt === 0) return;

    const now = endedAt ?? performance.now() - startedAt;
    const span = isMoving ? expectedMs : Math.max(expectedMs, now * 1.04);
    const start = isMoving ? Math.max(0, now - span) : 0;
    const x = (at) => (Math.max(0, at - start) / span) * (width - 4) + 2;
    if (isMoving) forget(start);
    let isCut = wasCut;
    let from = start;
    const line = (to) => {
      if (!isCut) context.fillRect(x(from), middle - 1, x(to) - x(from), 2);
    };
    context.fillStyle = colour("--water");
    for (const { at, kind } of marks) {
      if (kind === "cut" || kind === "open") {
        line(at);
        isCut = kind === "cut";
        from = at;
      }
    }
    line(now);
    for (const { at, kind } of marks) {
      const tall = kind === "caught-up" ? 0.92 : kind === "cut" || kind === "end" ? 1 : 0.55;
      if (kind === "open") continue;
      context.fillStyle = kind === "event" ? colour("--water") : kind === "end" ? colour("--ink") : colour("--rust");
      context.fillRect(x(at) - 0.75, middle - (height * tall) / 2, kind === "event" ? 1.5 : 2, height * tall);
    }
    if (isMoving) step ||= setTimeout(moveOn, STEP);
    else if (endedAt === undefined) schedule();
  };
  const moveOn = () => {
    step = 0;
    schedule();
  };
  const forget = (before) => {
    while (marks.length > 0 && marks[0].at < before) {
      const { kind } = marks.shift();
      if (kind === "cut" || kind === "open") wasCut = kind === "cut";
    }
  };
  const schedule = () => {
    frame ||= requestAnimationFrame(draw);
  };
  new ResizeObserver(schedule).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", schedule);

  return {
    /** How long it will take, once that is known. */
    expect(ms) {
      expectedMs = ms;
    },
    start() {
      startedAt = performance.now();
      endedAt = undefined;
      marks = [];
      // Until it is open, nothing flows.
      wasCut = isMoving;
      schedule();
    },
    mark(kind) {
      marks.push({ at: performance.now() - startedAt, kind });
      schedule();
    },
    end() {
      endedAt ??= performance.now() - startedAt;
      schedule();
    },
  };
}
