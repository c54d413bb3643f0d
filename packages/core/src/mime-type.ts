/**
 * The MIME type that a `Content-Type` header names, without its parameters and in lower case: of a list, the last one
 * that is valid and not the one for all. Undefined where there is none.
 *
 * @see https://fetch.spec.whatwg.org/#concept-header-extract-mime-type
 */
export function mimeTypeOf(header: string): string | undefined {
  // A comma within quotes separates nothing, and what is quoted is never part of a type.
  const types = header.replace(QUOTED, '""').split(",").map(essenceOf);
  return types.findLast((type) => type !== undefined && type !== "*/*");
}

/** An HTTP quoted string, also one that nobody has closed. */
const QUOTED = /"(?:[^"\\]|\\[^])*(?:"|\\?$)/g;

/** One type, as "parse a MIME type" of the MIME Sniffing Standard takes it. Parameters cannot make it invalid. */
function essenceOf(type: string): string | undefined {
  return /^[\t\n\r ]*([-\w!#$%&'*+.^`|~]+\/[-\w!#$%&'*+.^`|~]+)[\t\n\r ]*(?:;|$)/.exec(type)?.[1]?.toLowerCase();
}
