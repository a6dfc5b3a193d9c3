/** What is open at a place in a text: emphases and brackets, each with its nodes so far. */

import { fill, h } from "./dom.js";

// As many may be open in each other; no answer needs more, and deep ones are slow to draw.
const DEPTH = 12;
const TAGS = { 1: "em", 2: "strong" };

/** A stack of frames `{mark, nodes}`; the first has no mark and is never closed. */
export class Frames {
  #frames = [{ mark: "", nodes: [] }];

  /** Add a node, or some text, to what was opened last. */
  add(node) {
    if (node !== "") this.#frames.at(-1).nodes.push(node);
  }

  /** Open what a mark opens. */
  open(mark) {
    if (this.#frames.length > DEPTH) {
      // The oldest is a sign that was meant as such.
      this.#takeAsText(0, this.#frames.splice(1, 1));
    }
    this.#frames.push({ mark, nodes: [] });
  }

  /** Close as many of a run of marks as have been opened; returns how many are left. */
  closeEmphases(sign, length) {
    let left = length;
    while (left) {
      const index = this.#frames.findLastIndex(({ mark }) => mark[0] === sign && mark.length <= left);
      if (index < 1) return left;
      const { mark } = this.#frames[index];
      this.#swapTwins(index);
      const closed = this.#frames.findLastIndex((frame) => frame.mark === mark);
      const { nodes } = this.#pop(closed);
      this.add(emphasised(mark, nodes));
      left -= mark.length;
    }
    return 0;
  }

  /** Whether a bracket is open. */
  get hasBracket() {
    return this.#bracket > 0;
  }

  /** Close the last bracket; returns its mark and its nodes. */
  closeBracket() {
    const frame = this.#pop(this.#bracket);
    if (frame.mark === "[") this.#closeOtherBrackets();
    return frame;
  }

  /** Return all nodes; what is still open is shown as text, or as if it ended here. */
  end(isComplete) {
    while (isComplete && this.#frames.length > 1) {
      const { mark, nodes } = this.#frames.pop();
      // A link has no address yet.
      if (nodes.length) this.add(emphasised(mark.endsWith("[") ? "" : mark, nodes));
    }
    this.#takeAsText(0, this.#frames.splice(1));
    return this.#frames[0].nodes;
  }

  get #bracket() {
    return this.#frames.findLastIndex(({ mark }) => mark.endsWith("["));
  }

  #pop(index) {
    this.#takeAsText(index, this.#frames.splice(index + 1));
    return this.#frames.pop();
  }

  // From the lowest to the highest, so that no node is moved more than once.
  #takeAsText(index, frames) {
    const { nodes } = this.#frames[index];
    for (const frame of frames) {
      if (frame.mark) nodes.push(frame.mark);
      for (const node of frame.nodes) nodes.push(node);
    }
  }

  /** Three marks open two emphases, in the order in which they are closed. */
  #swapTwins(index) {
    const [outer, inner] = this.#frames.slice(index);
    if (this.#frames.length !== index + 2 || outer.nodes.length || outer.mark[0] !== inner.mark[0]) return;
    [outer.mark, inner.mark] = [inner.mark, outer.mark];
  }

  /** There are no links in links: what has been opened before is text. */
  #closeOtherBrackets() {
    for (const frame of this.#frames) {
      if (frame.mark !== "[") continue;
      frame.nodes.unshift("[");
      frame.mark = "";
    }
  }
}

function emphasised(mark, nodes) {
  const tag = mark[0] === "~" ? "del" : (TAGS[mark.length] ?? "span");
  return fill(h(tag), nodes);
}
