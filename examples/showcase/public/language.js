// Where no locale is set, as in a container, Chromium calls its language "en-US@posix", which is no language tag: uPlot asks
// for a number format of it as it loads, and would end there. A classic script, as it must come first.
try {
  Intl.NumberFormat(navigator.language);
} catch {
  Object.defineProperty(navigator, "language", { value: "en" });
}
