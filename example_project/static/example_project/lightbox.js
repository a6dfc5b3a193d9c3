/** One image in full, and the way to those before and after it in the chat. */

import { byId } from "./dom.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1 };

/** Return the frames of the images that the chat shows now: one may go at any moment. */
function frames() {
  return [...byId("log").querySelectorAll(".tile-frame:not(:disabled)")].filter(imageOf);
}

function imageOf(frame) {
  return frame.querySelector("img:last-child");
}

/** The dialog; it knows the images by what the page shows. */
export class Lightbox {
  #frame = null;
  #place = 0;

  /** @param {{onReport: (item: string) => Promise<void>}} actions */
  constructor({ onReport }) {
    this.dialog = byId("lightbox");
    byId("lightbox-report").addEventListener("click", () => onReport(this.#item));
    this.image = byId("lightbox-image");
    this.caption = byId("lightbox-caption");
    this.previous = byId("lightbox-previous");
    this.next = byId("lightbox-next");
    this.previous.addEventListener("click", () => this.#step(-1));
    this.next.addEventListener("click", () => this.#step(1));
    this.caption.addEventListener("click", () => this.#expand(this.caption.ariaExpanded !== "true"));
    this.image.addEventListener("error", () => this.#tellWhetherThere(false));
    this.image.addEventListener("load", () => this.#tellWhetherThere(true));
    this.dialog.addEventListener("keydown", (event) => this.#keydown(event));
    this.dialog.addEventListener("close", () => {
      // Where the image is that was seen last.
      if (this.#frame?.isConnected) this.#frame.focus();
    });
  }

  /** Show the image of an address. */
  open({ url }) {
    const all = frames();
    const frame = all.find((each) => imageOf(each).getAttribute("src") === url);
    if (!frame) return;
    this.#show(frame, all);
    this.dialog.showModal();
  }

  get #item() {
    return this.#frame.closest("[data-item]").dataset.item;
  }

  /** Close if its image has gone from the page; returns the id of the item of that. */
  closeIfGone() {
    if (!this.dialog.open || this.#frame.isConnected) return null;
    const item = this.#item;
    this.dialog.close();
    return item;
  }

  #keydown(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const isFromTheRight = getComputedStyle(this.dialog).direction === "rtl";
    const step = STEPS[event.key] * (isFromTheRight ? -1 : 1);
    if (!step) return;
    event.preventDefault();
    this.#step(step);
  }

  #step(step) {
    const all = frames();
    if (!all.length) {
      this.dialog.close();
      return;
    }
    const at = all.indexOf(this.#frame);
    // The one that was shown has gone: what follows it stands in its place.
    const place = at < 0 ? this.#place + Math.min(step, 0) : at + step;
    this.#show(all[Math.max(0, Math.min(place, all.length - 1))], all);
  }

  #show(frame, all) {
    const { alt, src } = imageOf(frame);
    this.#frame = frame;
    this.#place = all.indexOf(frame);
    this.image.src = byId("lightbox-download").href = src;
    this.image.alt = alt;
    this.caption.textContent = this.caption.title = alt;
    this.#expand(false);
    for (const part of [this.previous, this.next, byId("lightbox-place")]) part.hidden = all.length < 2;
    byId("lightbox-place").textContent = `${this.#place + 1} of ${all.length}`;
    // Not `disabled`, which would take the focus away.
    this.previous.setAttribute("aria-disabled", String(this.#place === 0));
    this.next.setAttribute("aria-disabled", String(this.#place === all.length - 1));
  }

  #expand(expanded) {
    this.caption.ariaExpanded = String(expanded);
  }

  #tellWhetherThere(isThere) {
    this.image.hidden = !isThere;
    byId("lightbox-gone").hidden = isThere;
    byId("lightbox-download").hidden = byId("lightbox-report").hidden = !isThere;
  }
}
