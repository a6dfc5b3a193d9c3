/** The foot of an answer: what the person thinks of it, and another try. */

import { h, iconButton } from "./dom.js";

const KINDS = { positive: ["up", "Good answer"], negative: ["down", "Bad answer"] };

/** One row of thumbs for all of a turn; it shows what the server has. */
export class Foot {
  #kind = null;

  /** @param {{onFeedback: (kind: string) => Promise<void>, onRetry: () => void}} actions */
  constructor({ onFeedback, onRetry }) {
    this.thumbs = Object.entries(KINDS).map(([kind, [symbol, label]]) => iconButton(symbol, label, {
      // ChatKit has no word for "neither", so a pressed thumb stays until the other is.
      onclick: () => kind !== this.#kind && onFeedback(kind),
    }));
    this.retry = iconButton("retry", "Answer again, in place of this", { onclick: () => onRetry() });
    this.element = h("li", { class: "entry foot" },
      h("div", { class: "actions", role: "group", "aria-label": "What do you think of this answer?" },
        ...this.thumbs, this.retry));
  }

  /** Show a thumb as pressed, or none. */
  update(kind, canRetry) {
    this.#kind = kind;
    this.retry.hidden = !canRetry;
    Object.entries(KINDS).forEach(([each, [, label]], index) => {
      const button = this.thumbs[index], pressed = each === kind;
      button.setAttribute("aria-pressed", String(pressed));
      button.title = pressed ? `${label}: this is your opinion. Press the other thumb to change it.` : label;
    });
  }
}
