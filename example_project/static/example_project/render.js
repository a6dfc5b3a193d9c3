/** Draw a thread's items into the log: one entry per item, updated in place. */

import { h, icon } from "./dom.js";
import { showMarkdown } from "./markdown.js";
import { endOf } from "./ends.js";
import { promptFor, textOf } from "./thread.js";
import { Foot } from "./thumbs.js";
import { Tile } from "./tile.js";
import { isNote, nameOf, results, stateOf, thumbOf, turnOf, turns } from "./turns.js";

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
  // The feet of turns, by the id of their first item.
  #feet = new Map();

  /**
   * @param {HTMLElement} list The element that holds the entries.
   * @param {{onOpen: Function, onFeedback: Function, onRetry: Function, onChange: Function,
   *   onNew: Function, onStale: Function}} actions `onFeedback` takes the ids of a turn's items.
   */
  constructor(list, actions) {
    this.list = list;
    this.actions = actions;
  }

  /** Draw a thread from nothing. */
  reset(thread) {
    this.#entries.clear();
    this.#feet.clear();
    this.list.replaceChildren();
    this.update(thread, [...thread.items.keys()]);
  }

  /** Draw the items that changed, and leave the others alone. */
  update(thread, ids) {
    for (const id of this.#withNeighbours(thread, ids)) {
      const item = thread.items.get(id);
      if (item) this.#draw(thread, item);
      else this.#remove(id);
    }
  }

  /** Draw the feet of the turns: one row of thumbs for each that has something to judge. */
  finish(thread, busy) {
    const all = turns(thread), kept = new Set();
    for (const turn of all) {
      const isLast = turn === all.at(-1);
      const judged = busy && isLast ? [] : results(thread, turn);
      const last = turn.items.findLast(({ id }) => this.#entries.has(id));
      if (!judged.length || !last) continue;
      const key = turn.items[0].id;
      kept.add(key);
      let foot = this.#feet.get(key);
      if (!foot) {
        foot = new Foot({ onFeedback: (kind) => foot.judge(kind), onRetry: this.actions.onRetry });
        this.#feet.set(key, foot);
      }
      foot.judge = (kind) => this.actions.onFeedback(judged.map(({ id }) => id), kind);
      foot.update(thumbOf(thread, judged), isLast && Boolean(turn.message));
      foot.after = last.id;
    }
    for (const [key, foot] of this.#feet) {
      if (kept.has(key)) continue;
      foot.element.remove();
      this.#feet.delete(key);
    }
    this.#arrange(thread);
  }

  /** Put the entries into the thread's order; those that stand right are not moved. */
  #arrange(thread) {
    const behind = new Map([...this.#feet.values()].map((foot) => [foot.after, foot.element]));
    const order = [...thread.items.keys()]
      .flatMap((id) => [this.#entries.get(id)?.element, behind.get(id)]).filter(Boolean);
    order.forEach((element, index) => {
      if (this.list.children[index] !== element) this.list.insertBefore(element, this.list.children[index] ?? null);
    });
  }

  /** Return ids and those of the images and notes of their turns, which are counted together. */
  #withNeighbours(thread, ids) {
    const found = new Set(ids);
    for (const id of ids) {
      const item = thread.items.get(id);
      if (item && item.type !== "generated_image" && !isNote(thread, item) && this.#entries.has(id)) continue;
      for (const { id: other } of turnOf(thread, id)?.items ?? []) {
        const near = thread.items.get(other);
        if (near.type === "generated_image" || isNote(thread, near)) found.add(other);
      }
    }
    return found;
  }

  /** Draw items that came before others. */
  prepend(thread) {
    this.update(thread, [...thread.items.keys()].filter((id) => !this.#entries.has(id)));
    this.#arrange(thread);
  }

  /** Give the focus to the entry of an item; returns its element. */
  focus(id) {
    const element = this.#entries.get(id)?.element;
    if (!element) return null;
    element.tabIndex = -1;
    element.focus();
    return element;
  }

  #remove(id) {
    this.#entries.get(id)?.element.remove();
    this.#entries.delete(id);
  }

  #draw(thread, item) {
    let entry = this.#entries.get(item.id);
    const kind = isNote(thread, item) ? "note" : item.type;
    if (entry?.kind !== kind) {
      const before = entry?.element;
      entry = this[`_${kind}`]?.(thread, item);
      // Kinds of items that this page does not show: widgets, workflows and so on.
      if (!entry) return;
      entry.kind = kind;
      entry.element.dataset.item = item.id;
      this.#entries.set(item.id, entry);
      // What is removed, say, gives its place to the words about that.
      if (before) before.replaceWith(entry.element);
      else this.list.append(entry.element);
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

  _assistant_message() {
    const text = h("div", { class: "prose" });
    const element = h("li", { class: "entry assistant" },
      h("h2", { class: "visually-hidden" }, "Designer"), text);
    return {
      element,
      update: (thread, item) => {
        showMarkdown(text, textOf(item), { open: thread.unfinished.has(item.id) });
        element.hidden = !text.childElementCount;
      },
    };
  }

  _generated_image() {
    const tile = new Tile({ onOpen: this.actions.onOpen, onStale: this.actions.onStale });
    const heading = h("h2", { class: "visually-hidden" });
    const element = h("li", { class: "entry image" }, heading, tile.element);
    return {
      element,
      update: (thread, item) => {
        const name = heading.textContent = nameOf(thread, item.id);
        const words = { prompt: promptFor(thread, item.id), name, state: stateOf(thread, item) };
        tile.update(item, thread.images.get(item.id), words);
      },
    };
  }

  /** The app's own words: why there is no answer, or no image, and the way on. */
  _note() {
    const element = h("li", { class: "entry" });
    return {
      element,
      update: (thread, item) => {
        const turn = turnOf(thread, item.id);
        const isLast = turn === turns(thread).at(-1) || turn?.message?.id === turns(thread).at(-1).message?.id;
        const notes = turn?.items.filter((other) => isNote(thread, other)) ?? [];
        const end = endOf(thread, item, isLast);
        // Several notes of a turn have one way on.
        const leads = notes.at(-1)?.id === item.id && Boolean(turn?.message) && !thread.unfinished.size;
        // Another try would put an end to what the turn has brought as well.
        const whole = turn?.items.some(({ id }) => thread.images.get(id)?.phase === "done");
        const prompt = textOf(turn?.message ?? {});
        this.#fill(element, end.look, end.heading, [textOf(item), end.hint],
          leads && end.change && prompt && h("button",
            { type: "button", class: "button", onclick: () => this.actions.onChange(prompt) },
            icon("pencil"), "Change the words"),
          leads && end.retry && !whole && this.#retry(end.retry));
        const { of, item: beside } = stateOf(thread, item);
        element.classList.toggle("in-place", of === "image" && !beside && nameOf(thread, item.id) !== "Image");
      },
    };
  }

  #retry(label) {
    return h("button", { type: "button", class: "button retry", onclick: () => this.actions.onRetry() },
      icon("retry"), label);
  }

  #fill(element, look, heading, sentences, ...actions) {
    const ways = actions.filter(Boolean);
    element.className = `entry note ${look}`;
    element.replaceChildren(icon(look), h("div", { class: "note-body" },
      h("h2", {}, heading), ...sentences.filter(Boolean).map((text) => h("p", {}, text)),
      ways.length > 0 && h("div", { class: "note-actions" }, ...ways)));
  }

  _notice(thread, item) {
    const element = h("li", { class: `entry notice ${item.level}` },
      item.title && h("strong", {}, item.title), h("p", {}, item.message));
    return { element, update: () => {} };
  }

  /** A failure of which the thread has no note. */
  _error(thread, item) {
    const element = h("li", { class: "entry" });
    this.#fill(element, "failed", "Not finished", [item.message], item.allowRetry && this.#retry("Retry"));
    return { element, update: () => {} };
  }

  /** What an address shows whose chat is not there. */
  _missing() {
    const element = h("li", { class: "entry" });
    const words = "It was deleted, or its address is not right. Nothing of it is left here.";
    this.#fill(element, "removed", "This chat is not there any more", [words],
      h("button", { type: "button", class: "button", onclick: () => this.actions.onNew() }, icon("plus"), "New chat"));
    return { element, update: () => {} };
  }
}
