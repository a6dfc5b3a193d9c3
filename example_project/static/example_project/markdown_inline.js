/**
 * Emphasis, code and links within a paragraph, as nodes. A text is read once from its
 * beginning to its end, whatever is in it.
 */

import { h } from "./dom.js";
import { Frames } from "./markdown_frames.js";
import { bareAddress, destination, link } from "./markdown_links.js";

const SPECIAL = /[\\`*_~[\]!<h]/gi;
const ESCAPED = /[!-/:-@[-`{-~]/;
const LINE_BREAK = /<br ?\/?>/iy;
const WORD = /[\p{L}\p{N}]/u;

/**
 * Return the nodes of a text.
 *
 * @param {boolean} open Whether the text goes on: what is begun is then shown as if it
 *   were complete, so that nothing changes its look when its end comes.
 */
export function inline(text, open = false) {
  return new Inline(text, open).nodes();
}

class Inline {
  #frames = new Frames();
  #from = 0;
  #at = 0;

  constructor(text, open) {
    this.text = text;
    this.open = open;
    this.ticks = ticksOf(text);
  }

  nodes() {
    const { text } = this;
    while (this.#at < text.length) {
      SPECIAL.lastIndex = this.#at;
      this.#at = SPECIAL.exec(text)?.index ?? text.length;
      if (this.#at < text.length) this.#special(text[this.#at]);
    }
    this.#take(text.length);
    return this.#frames.end(this.open);
  }

  /** Take the plain text before a place, and go on behind a mark of some length. */
  #take(end, length = 0) {
    this.#frames.add(this.text.slice(this.#from, end));
    this.#from = this.#at = end + length;
  }

  #special(sign) {
    const { text } = this, at = this.#at;
    if (sign === "\\" && ESCAPED.test(text[at + 1] ?? "")) {
      this.#take(at, 1);
      this.#at += 1;
    } else if (sign === "`") this.#code(at);
    else if (sign === "*" || sign === "_" || sign === "~") this.#run(sign, at);
    else if (sign === "[") this.#bracket(at, "[");
    else if (sign === "!" && text[at + 1] === "[") this.#bracket(at, "![");
    else if (sign === "]") this.#link(at);
    else if (sign === "<") this.#angle(at);
    else if (sign === "h" || sign === "H") this.#bare(at);
    else this.#at += 1;
  }

  #bracket(at, mark) {
    this.#take(at, mark.length);
    this.#frames.open(mark);
  }

  #code(at) {
    const { text } = this;
    const length = runLength(text, at);
    const places = this.ticks.get(length) ?? [];
    while (places.length && places.at(-1) < at + length) places.pop();
    if (!places.length && !this.open) {
      this.#at = at + length;
      return;
    }
    const end = places.at(-1) ?? text.length;
    this.#take(at, end - at + length);
    let code = text.slice(at + length, end).replaceAll("\n", " ");
    if (code.startsWith(" ") && code.endsWith(" ") && code.trim()) code = code.slice(1, -1);
    if (code) this.#frames.add(h("code", {}, code));
  }

  #run(sign, at) {
    const { text } = this;
    const length = runLength(text, at), end = at + length;
    if (length > 3 || (sign === "~" && length !== 2)) {
      this.#at = end;
      return;
    }
    const before = text[at - 1] ?? " ", after = text[end] ?? " ";
    const isInWord = sign === "_" && WORD.test(before) && WORD.test(after);
    this.#take(at, length);
    let left = length;
    if (/\S/.test(before) && !isInWord) left = this.#frames.closeEmphases(sign, left);
    if (left && /\S/.test(after) && !isInWord) {
      if (left === 3) this.#frames.open(sign);
      this.#frames.open(sign.repeat(Math.min(left, 2)));
    } else if (!this.open || end < text.length) {
      // Else it may be half of a mark.
      this.#frames.add(sign.repeat(left));
    }
  }

  #link(at) {
    const { text, open } = this;
    const isLast = open && at + 1 === text.length;
    const found = this.#frames.hasBracket ? destination(text, at + 1) : null;
    const isLink = found?.address !== undefined || (found && open);
    if (!isLink && !(isLast && this.#frames.hasBracket)) {
      this.#at = at + 1;
      return;
    }
    this.#take(at, (found?.end ?? at + 1) - at);
    const { mark, nodes } = this.#frames.closeBracket();
    const address = found?.address ?? "";
    // An image of a stranger would tell them who reads this: a link does when it is pressed.
    const words = nodes.length ? nodes : [mark === "![" ? "Image" : address];
    this.#frames.add(link(address, words));
  }

  #angle(at) {
    const { text } = this;
    LINE_BREAK.lastIndex = at;
    const found = LINE_BREAK.exec(text)?.[0];
    const address = found ? "" : bareAddress(text, at + 1).address;
    if (found) {
      this.#take(at, found.length);
      this.#frames.add(h("br"));
    } else if (address && text[at + 1 + address.length] === ">") {
      this.#take(at, address.length + 2);
      this.#frames.add(link(address, [address]));
    } else {
      this.#at = at + 1;
    }
  }

  #bare(at) {
    const isInWord = WORD.test(this.text[at - 1] ?? "");
    const { address, looked } = isInWord ? { looked: 1 } : bareAddress(this.text, at);
    if (!address) {
      this.#at = at + looked;
      return;
    }
    this.#take(at, address.length);
    this.#frames.add(link(address, [address]));
  }
}

/** Return where runs of backticks stand, the last first, by their length. */
function ticksOf(text) {
  const places = new Map();
  for (const { 0: run, index } of text.matchAll(/`+/g)) {
    if (!places.has(run.length)) places.set(run.length, []);
    places.get(run.length).push(index);
  }
  for (const found of places.values()) found.reverse();
  return places;
}

function runLength(text, at) {
  let end = at + 1;
  while (text[end] === text[at]) end++;
  return end - at;
}
