const MASK = "•••";

/** Fields, headers and query parameters whose value is nobody's business, whatever it looks like. */
const NAMES =
  /authorization|cookie|token|secret|password|passwd|api[-_]?key|signature|session|credential|^(?:key|page|code)$/i;

const QUERY = /([?&])([^=&#\s]+)=([^&#\s]*)/g;
const SCHEME = /\b(bearer|basic|digest|negotiate)(?:\s|%20|\+)+[^\s&]+/gi;
const ADDRESS = /[\p{L}\d.!#$'*+^_`{|}~%-]+(?:@|%40)[\p{L}\d-]+(?:\.[\p{L}\d-]+)+/giu;

/** Sixteen characters or more without a space, of at least two kinds: what people write is neither so long nor so mixed. */
const OPAQUE = /[A-Za-z0-9_-]{16,}/g;

/**
 * The same value without its secrets: credentials, cookies, tokens in headers and queries, e-mail addresses, and whatever
 * looks as if a machine had drawn it. When in doubt, it is masked.
 */
export function masked(value: unknown, name = ""): unknown {
  if (typeof value === "string") return NAMES.test(name) ? MASK : maskedText(value);
  if (Array.isArray(value)) return value.map((item) => masked(item, name));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, field]) => [maskedText(key), NAMES.test(key) ? MASK : masked(field, key)]),
  );
}

function maskedText(text: string): string {
  return text
    .replace(QUERY, (whole, mark: string, name: string) =>
      NAMES.test(decoded(name)) ? `${mark}${name}=${MASK}` : whole,
    )
    .replace(SCHEME, `$1 ${MASK}`)
    .replace(ADDRESS, MASK)
    .replace(OPAQUE, (run) => (isDrawn(run) ? MASK : run));
}

/** A name may be written with escapes, so that nobody recognises it. */
function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function isDrawn(run: string): boolean {
  return [/[a-z]/, /[A-Z]/, /\d/].filter((kind) => kind.test(run)).length >= 2;
}
