/** One generated image, from an empty frame through its partials to the final. */

import { h, icon, iconButton } from "./dom.js";

const LABELS = {
  generating: "Drawing…",
  stopped: "Stopped",
  broken: "This image could not be loaded.",
};

/** A frame whose image sharpens in place. */
export class Tile {
  #url = null;
  #retried = false;

  /**
   * @param {{onOpen: Function, onFeedback: Function, onStale: Function}} actions
   *   `onStale` is called once when the image cannot be loaded: its URL may have
   *   expired, and a fresh one comes with the item.
   */
  constructor({ onOpen, onFeedback, onStale }) {
    this.onStale = onStale;
    this.frame = h("button", {
      type: "button", class: "tile-frame", disabled: true,
      onclick: () => onOpen({ url: this.#url, prompt: this.prompt }),
    });
    this.bar = h("div", {
      class: "tile-bar", role: "progressbar", "aria-label": "Drawing the image",
      "aria-valuemin": "0", "aria-valuemax": "100",
    }, h("span"));
    this.status = h("p", { class: "tile-status" });
    this.download = h("a", {
      class: "icon-button", "aria-label": "Download image", title: "Download image",
      download: "", target: "_blank", rel: "noopener",
    }, icon("download"));
    this.actions = h("div", { class: "actions" }, ...feedbackButtons("image", onFeedback), this.download);
    this.element = h("figure", { class: "tile" },
      h("div", { class: "tile-box" }, this.frame, this.bar, this.status), this.actions);
  }

  /** Show the item as it is now. */
  update(item, view, prompt) {
    this.prompt = prompt;
    this.view = view;
    this.#show(item.image?.url ?? null);
    this.#label();
  }

  #label(broken = false) {
    const { phase, progress } = this.view;
    const final = phase === "done";
    const name = final ? `Open image: ${this.prompt}` : `Image in progress: ${this.prompt}`;
    this.element.dataset.phase = broken ? "broken" : phase;
    this.frame.setAttribute("aria-label", name);
    this.bar.hidden = phase !== "generating";
    // Without any progress yet the bar is indeterminate.
    if (progress > 0) this.bar.setAttribute("aria-valuenow", String(Math.round(progress * 100)));
    this.bar.firstElementChild.style.inlineSize = `${Math.max(progress, 0.04) * 100}%`;
    this.status.textContent = LABELS[broken ? "broken" : phase] ?? "";
    this.actions.hidden = phase === "generating" || !this.#url;
  }

  async #show(url) {
    if (!url || url === this.#url) return;
    this.#url = url;
    const next = h("img", { src: url, alt: this.prompt, class: "tile-image" });
    try {
      // Until it can be painted at once the image before it stays.
      await next.decode();
    } catch {
      if (url === this.#url) this.#fail();
      return;
    }
    if (url !== this.#url) return;
    const previous = [...this.frame.children];
    this.element.style.setProperty("--ratio", `${next.naturalWidth} / ${next.naturalHeight}`);
    this.frame.append(next);
    this.frame.disabled = false;
    this.download.href = url;
    requestAnimationFrame(() => next.classList.add("shown"));
    setTimeout(() => previous.forEach((image) => image.remove()), 600);
  }

  #fail() {
    this.#url = null;
    if (this.view.phase !== "done") return;
    if (this.#retried) {
      this.#label(true);
    } else {
      this.#retried = true;
      this.onStale();
    }
  }
}

/** Create the two thumbs; pressing one releases the other. */
export function feedbackButtons(what, onFeedback) {
  const kinds = { positive: ["up", `Good ${what}`], negative: ["down", `Bad ${what}`] };
  const buttons = Object.entries(kinds).map(([kind, [symbol, label]]) =>
    iconButton(symbol, label, {
      "aria-pressed": "false",
      async onclick(event) {
        const pressed = event.currentTarget;
        if (!(await onFeedback(kind))) return;
        for (const button of buttons) {
          button.setAttribute("aria-pressed", String(button === pressed));
        }
      },
    }),
  );
  return buttons;
}
