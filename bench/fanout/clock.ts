/** Of many tries the one in which the process was not interrupted between one clock and the other, as it is when it starts. */
const origin = Math.max(
  ...Array.from({ length: 1000 }, () => Number(process.hrtime.bigint()) / 1e6 - performance.now()),
);

/** In ms, on the monotonic clock that all processes of a machine share. */
export function now(): number {
  return origin + performance.now();
}
