const origin = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** In ms, on the monotonic clock that all processes of a machine share. */
export function now(): number {
  return origin + performance.now();
}
