/** One generated image, from an empty frame through its partials to the final. */

import { h, icon } from "./dom.js";
import { previewWords } from "./ends.js";

const LABELS = {
  generating: "Drawing…",
  broken: "This image could not be loaded.",
};

/** A frame whose image sharpens in place. */
export class Tile {
  #url = null;
  #retried = false;

  /**
   * @param {{onOpen: Function, onStale: Function}} actions `onStale` is called when the
   *   image cannot be loaded, once by itself and whenever the person asks for it: its URL may
   *   have expired, and a fresh one comes with the item.
   */
  constructor({ onOpen, onStale }) {
    this.onStale = onStale;
    this.frame = h("button", {
      type: "button", class: "tile-frame", disabled: true,
      onclick: () => onOpen({ url: this.#url, prompt: this.alt, item: this.item }),
    });
    this.bar = h("div", {
      class: "tile-bar", role: "progressbar",
      "aria-valuemin": "0", "aria-valuemax": "100",
    }, h("span"));
    this.status = h("p", { class: "tile-status" });
    this.download = h("a", {
      class: "icon-button", "aria-label": "Download image", title: "Download image",
      download: "", target: "_blank", rel: "noopener",
    }, icon("download"));
    this.again = h("button", {
      type: "button", class: "button tile-again", hidden: true,
      onclick: () => {
        // The button goes; the focus must not fall to the page.
        this.element.focus();
        onStale();
      },
    }, icon("retry"), "Load again");
    this.caption = h("figcaption", { class: "tile-name" });
    this.actions = h("div", { class: "actions" }, this.caption, this.download);
    this.element = h("figure", { class: "tile", tabIndex: -1 },
      h("div", { class: "tile-box" }, this.frame, this.bar, this.status, this.again), this.actions);
  }

  /**
   * Show the item as it is now.
   *
   * @param {{phase: string, progress: number}} view
   * @param {{prompt: string, name: string, state: object}} words `name` is "Image", or
   *   "Image 2 of 3"; `state` is what the server has told of the item.
   */
  update(item, view, { prompt, name, state }) {
    const several = name !== "Image";
    this.item = item.id;
    this.alt = several ? `${name}: ${prompt}` : prompt;
    this.view = view;
    this.state = state;
    this.name = several ? name : "image";
    this.caption.textContent = several ? name : "";
    for (const image of this.frame.children) image.alt = this.alt;
    this.#show(item.image?.url ?? null);
    this.#label();
  }

  #label(broken = false) {
    const { phase, progress } = this.view;
    const mark = phase === "stopped" ? previewWords(this.state) : LABELS[broken ? "broken" : phase] ?? "";
    const what = {
      done: "Open image", stopped: `Open preview, ${mark.toLowerCase()}`,
    }[phase] ?? "Image in progress";
    this.element.dataset.phase = broken ? "broken" : phase;
    this.frame.setAttribute("aria-label", broken ? `Not loaded: ${this.alt}` : `${what}: ${this.alt}`);
    this.bar.hidden = phase !== "generating";
    this.bar.setAttribute("aria-label", `Drawing ${this.name === "image" ? "the image" : this.name.toLowerCase()}`);
    // Without any progress yet the bar is indeterminate.
    if (progress > 0) this.bar.setAttribute("aria-valuenow", String(Math.round(progress * 100)));
    this.bar.firstElementChild.style.inlineSize = `${Math.max(progress, 0.04) * 100}%`;
    this.status.textContent = mark;
    this.again.hidden = !broken;
    this.download.hidden = phase === "generating" || !this.#url;
    this.actions.hidden = this.download.hidden && !this.caption.textContent;
  }

  async #show(url) {
    if (!url || url === this.#url) return;
    this.#url = url;
    const next = h("img", { src: url, alt: this.alt, class: "tile-image" });
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
    this.#retried = false;
    this.download.href = url;
    requestAnimationFrame(() => next.classList.add("shown"));
    setTimeout(() => previous.forEach((image) => image.remove()), 600);
  }

  #fail() {
    this.#url = null;
    if (this.view.phase === "generating") return;
    if (this.#retried) {
      this.#label(true);
    } else {
      this.#retried = true;
      this.onStale();
    }
  }
}
