/** Tells screen readers what begins, goes on and ends in the open chat. */

import { announce } from "./dom.js";
import { isNote, nameOf, noteIdOf, placeOf } from "./turns.js";
import { textOf } from "./thread.js";

// What begins together is told together, and what is over at once is not told to begin.
const TOGETHER = 500, WORKING = 1000;
const HALF = 0.5;

/** Follows the events of one session at a time. */
export class Speaker {
  #begun = new Set();
  #half = new Set();
  // What is about to be said of images, by the ids of the notes that would deny it.
  #ready = new Map();
  #timer = null;
  #working = null;

  /** Say that an answer is on its way, unless something else was said of it before. */
  busy(busy) {
    clearTimeout(this.#working);
    this.#working = null;
    if (busy) this.#working = setTimeout(() => announce("Working on it."), WORKING);
    else this.#forget();
  }

  /** Say what an event means, if it means anything to somebody who listens. */
  tell(thread, event) {
    const id = event.item?.id ?? event.item_id;
    if (event.type === "thread.item.added" && event.item.type === "generated_image") {
      this.#begun.add(id);
      this.#timer ??= setTimeout(() => this.#tellBegun(thread), TOGETHER);
    } else if (event.type === "thread.item.updated") {
      const { progress, phase } = thread.images.get(id) ?? {};
      if (phase !== "generating" || progress < HALF || progress >= 1 || this.#half.has(id)) return;
      this.#half.add(id);
      this.#say(`${nameOf(thread, id)} is half done.`);
    } else if (event.type === "thread.item.removed") {
      this.#begun.delete(id);
    } else if (event.type === "thread.item.done") {
      this.#begun.delete(id);
      this.#tellDone(thread, event.item);
    } else if (event.type === "notice") {
      this.#say([event.title, event.message].filter(Boolean).join(": "));
    }
  }

  #tellBegun(thread) {
    this.#timer = null;
    const begun = [...this.#begun];
    this.#begun.clear();
    const name = begun.length === 1 && nameOf(thread, begun[0]).toLowerCase();
    if (name) this.#say(`Drawing ${name === "image" ? "the image" : name}.`);
    else if (begun.length) this.#say(`Drawing ${begun.length} images of ${placeOf(thread, begun[0]).count}.`);
  }

  #tellDone(thread, item) {
    const { type } = item;
    if (type === "generated_image" && thread.images.get(item.id)?.phase === "done") {
      // If it is only a preview, the note beside it says so right after it.
      const said = setTimeout(() => this.#say(`${nameOf(thread, item.id)} is ready.`), TOGETHER);
      this.#ready.set(noteIdOf(item), said);
    } else if (type === "assistant_message" && textOf(item)) {
      clearTimeout(this.#ready.get(item.id));
      const { number, count } = placeOf(thread, item.id);
      const whose = isNote(thread, item) ? (number && count > 1 ? `${nameOf(thread, item.id)}: ` : "") : "Designer: ";
      this.#say(`${whose}${textOf(item)}`);
    }
  }

  #say(text) {
    clearTimeout(this.#working);
    announce(text);
  }

  #forget() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#begun.clear();
    this.#half.clear();
    this.#ready.clear();
  }
}
