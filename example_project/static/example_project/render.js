/** Draw a thread's items into the log: one entry per item, updated in place. */

import { h, icon } from "./dom.js";
import { showMarkdown } from "./markdown.js";
import { promptFor, textOf } from "./thread.js";
import { feedbackButtons, Tile } from "./tile.js";

function paragraphs(text) {
  return text.split(/\n{2,}/).filter(Boolean).map((part) => h("p", { dir: "auto" }, part));
}

function attachmentChip(attachment) {
  const preview = attachment.type === "image" && attachment.preview_url;
  return h("li", { class: "chip" },
    preview && h("img", { src: preview, alt: "", class: "chip-image" }),
    h("span", { class: "chip-name", dir: "auto", title: attachment.name }, attachment.name));
}

/** The log of the open thread. */
export class Log {
  #entries = new Map();

  /**
   * @param {HTMLElement} list The element that holds the entries.
   * @param {{onOpen: Function, onFeedback: Function, onRetry: Function, onStale: Function}} actions
   */
  constructor(list, actions) {
    this.list = list;
    this.actions = actions;
  }

  /** Draw a thread from nothing. */
  reset(thread) {
    this.#entries.clear();
    this.list.replaceChildren();
    this.update(thread, [...thread.items.keys()]);
  }

  /** Draw the items that changed, and leave the others alone. */
  update(thread, ids) {
    for (const id of ids) {
      const item = thread.items.get(id);
      if (item) this.#draw(thread, item);
      else this.#remove(id);
    }
  }

  /** Put the entries into the thread's order, for items that came before others. */
  prepend(thread) {
    this.update(thread, [...thread.items.keys()].filter((id) => !this.#entries.has(id)));
    const entries = [...thread.items.keys()].map((id) => this.#entries.get(id)?.element);
    this.list.append(...entries.filter(Boolean));
  }

  #remove(id) {
    this.#entries.get(id)?.element.remove();
    this.#entries.delete(id);
  }

  #draw(thread, item) {
    let entry = this.#entries.get(item.id);
    if (!entry) {
      entry = this[`_${item.type}`]?.(thread, item);
      // Kinds of items that this page does not show: widgets, workflows and so on.
      if (!entry) return;
      entry.element.dataset.item = item.id;
      this.#entries.set(item.id, entry);
      this.list.append(entry.element);
    }
    entry.update(thread, item);
  }

  _user_message() {
    const bubble = h("div", { class: "bubble" });
    const files = h("ul", { class: "chips", "aria-label": "Attached files" });
    const element = h("li", { class: "entry user" }, h("h2", { class: "visually-hidden" }, "You"), files, bubble);
    return {
      element,
      update: (thread, item) => {
        element.classList.toggle("pending", Boolean(item.local));
        bubble.replaceChildren(...paragraphs(textOf(item)));
        bubble.hidden = !bubble.childElementCount;
        files.replaceChildren(...(item.attachments ?? []).map(attachmentChip));
        files.hidden = !files.childElementCount;
      },
    };
  }

  _assistant_message(thread, { id }) {
    const text = h("div", { class: "prose" });
    const actions = h("div", { class: "actions" },
      ...feedbackButtons("answer", (kind) => this.actions.onFeedback(id, kind)));
    const element = h("li", { class: "entry assistant" },
      h("h2", { class: "visually-hidden" }, "Designer"), text, actions);
    return {
      element,
      update: (thread, item) => {
        showMarkdown(text, textOf(item), { open: thread.unfinished.has(item.id) });
        element.hidden = !text.childElementCount;
        actions.hidden = thread.unfinished.has(item.id);
      },
    };
  }

  _generated_image(thread, { id }) {
    const tile = new Tile({
      onOpen: this.actions.onOpen,
      onFeedback: (kind) => this.actions.onFeedback(id, kind),
      onStale: this.actions.onStale,
    });
    const element = h("li", { class: "entry image" },
      h("h2", { class: "visually-hidden" }, "Image"), tile.element);
    return {
      element,
      update: (thread, item) =>
        tile.update(item, thread.images.get(item.id), promptFor(thread, item.id)),
    };
  }

  _notice(thread, item) {
    const element = h("li", { class: `entry notice ${item.level}`, role: "status" },
      item.title && h("strong", {}, item.title), h("p", {}, item.message));
    return { element, update: () => {} };
  }

  _error(thread, item) {
    const retry = item.allowRetry && h("button",
      { type: "button", class: "button retry", onclick: () => this.actions.onRetry(item) },
      icon("retry"), "Retry");
    const element = h("li", { class: "entry notice danger", role: "alert" },
      h("p", {}, item.message), retry);
    return { element, update: () => {} };
  }
}
