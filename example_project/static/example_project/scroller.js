/** Where the chat is scrolled to: along with an answer, unless somebody reads elsewhere. */

import { byId } from "./dom.js";

// This near to where the page follows to, somebody follows.
const NEAR = 120;
const MARGIN = 16;

/** The part of the page that scrolls. */
export class Scroller {
  #aim = 0;

  /** @param {() => void} onStart Called near the beginning, where earlier items belong. */
  constructor(onStart) {
    this.element = byId("scroller");
    this.latest = byId("latest");
    this.element.addEventListener("scroll", () => {
      this.#tell();
      const { scrollTop, scrollHeight, clientHeight } = this.element;
      if (scrollTop < 80 && scrollHeight > clientHeight + 80) onStart();
    }, { passive: true });
    this.latest.addEventListener("click", () => {
      this.toEnd();
      byId("main").focus();
    });
    // The box below grows with its text and its files; the answer stays in view.
    let wasFollowing = true;
    this.element.addEventListener("scrollend", () => { wasFollowing = this.isFollowing; });
    new ResizeObserver(() => {
      if (wasFollowing) this.follow();
      this.#tell();
    }).observe(this.element);
  }

  get #end() {
    return this.element.scrollHeight - this.element.clientHeight;
  }

  /** Whether the page is where it follows an answer to. */
  get isFollowing() {
    const { scrollTop } = this.element;
    return this.#end - scrollTop < NEAR || Math.abs(scrollTop - this.#aim) < NEAR;
  }

  toEnd() {
    this.#scroll(this.#end);
  }

  /** Go along with an answer, as far as the first row of its images stays in view. */
  follow() {
    const first = byId("log").querySelector(".user:not(:has(~ .user)) ~ .image");
    const top = this.element.getBoundingClientRect().top - this.element.scrollTop;
    const row = first ? first.getBoundingClientRect().top - top - MARGIN : Infinity;
    this.#scroll(Math.min(this.#end, row));
  }

  /** Change what stands before, and keep what is in view where it is. */
  keep(change) {
    const fromEnd = this.element.scrollHeight - this.element.scrollTop;
    change();
    this.element.scrollTop = this.element.scrollHeight - fromEnd;
  }

  #scroll(place) {
    this.#aim = this.element.scrollTop = Math.max(0, place);
    this.#tell();
  }

  #tell() {
    this.latest.hidden = this.#end - this.element.scrollTop < NEAR;
  }
}
