/** Addresses in answers: a model may repeat what a stranger wrote. */

import { fill, h } from "./dom.js";

const SCHEMES = new Set(["http:", "https:", "mailto:"]);
// Longer addresses are no links, so that looking for their end takes no time.
const LONGEST = 2048, PARENTHESES = 3;
const BARE = new RegExp(`https?://[^\\s<>"\`|[\\]\\\\]{1,${LONGEST}}`, "iy");
const TITLE = /\s+("[^"\n]{0,500}"|'[^'\n]{0,500}')?\s*/y;
const TRAILING = new Set("*_~.,;:!?'\"]");

/** Return a link that opens nothing but the web or a mail, or else its words alone. */
export function link(address, children) {
  let url = null;
  try {
    url = new URL(address);
  } catch {
    // Not a whole address.
  }
  if (!url || !SCHEMES.has(url.protocol)) return fill(h("span"), children);
  const shown = fill(h("a", {
    href: url.href, title: url.href, target: "_blank", rel: "noopener noreferrer nofollow",
    referrerPolicy: "no-referrer",
  }), children);
  // A link has no links in it.
  for (const inner of shown.querySelectorAll("a")) inner.replaceWith(...inner.childNodes);
  return shown;
}

/**
 * Return what follows the words of a link, `(address "title")`, and where it ends.
 *
 * `null` if it is none; without an `address` if the text ends before it does.
 */
export function destination(text, start) {
  if (text[start] !== "(") return null;
  const last = Math.min(text.length, start + LONGEST);
  let at = start + 1, depth = 0;
  const pointed = text[at] === "<";
  if (pointed) at += 1;
  const begin = at;
  for (; at < last; at++) {
    const sign = text[at];
    if (/\s/.test(sign) || sign === "<" || (pointed && sign === ">")) break;
    if (pointed) continue;
    if (sign === "(" && ++depth > PARENTHESES) return null;
    if (sign === ")" && depth-- === 0) break;
  }
  const address = text.slice(begin, at);
  if (pointed && text[at] === ">") at += 1;
  // A title, which is for people who wait with the pointer, is left out.
  TITLE.lastIndex = at;
  at += TITLE.exec(text)?.[0].length ?? 0;
  if (at === text.length) return { end: at };
  return text[at] === ")" ? { address, end: at + 1 } : null;
}

/**
 * Return the bare address that stands at a place in a text, empty if there is none, and
 * how much of the text has been looked at.
 */
export function bareAddress(text, start) {
  BARE.lastIndex = start;
  const found = BARE.exec(text)?.[0] ?? "";
  let end = found.length, open = 0;
  for (const sign of found) open += sign === "(" ? 1 : sign === ")" ? -1 : 0;
  // The sentence goes on behind it.
  for (; end > 0; end--) {
    const sign = found[end - 1];
    if (sign === ")" && open < 0) open += 1;
    else if (!TRAILING.has(sign)) break;
  }
  const isAddress = end > "https://".length && found.length < LONGEST;
  return { address: isAddress ? found.slice(0, end) : "", looked: found.length || 1 };
}
