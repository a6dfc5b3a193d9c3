/** The list of chats: a column beside the chat, a drawer where there is no room. */

import { byId, h, iconButton } from "./dom.js";
import { shortDate } from "./dates.js";

const NARROW = "(max-width: 820px)";
// From so many chats on, one is looked for faster by its title.
const MANY = 8;
const TYPING = 250;
// How often chats are looked at that others draw in: a page before a reload, another device.
const LOOK = 4_000;
const MARKS = { drawing: "drawing", done: "new answer" };

/** What a thread is called until somebody or something names it. */
export function threadTitle(thread) {
  return thread.title || "New chat";
}

/** The sidebar with its pages of threads, the one that was used last first. */
export class Sidebar {
  #threads = [];
  #marks = new Map();
  #after = null;
  #current = null;
  #timer = 0;

  /** @param {(query: {after?: string, find?: string}) => Promise<object>} list */
  constructor(list, { onNew, onRename, onDelete, onProblem }) {
    this.ask = list;
    this.actions = { onRename, onDelete, onProblem };
    this.element = byId("sidebar");
    this.toggle = byId("drawer-toggle");
    this.scrim = byId("scrim");
    this.list = byId("threads");
    this.more = byId("more-threads");
    this.find = byId("find");
    this.toggle.addEventListener("click", () => this.setOpen(!this.isOpen));
    this.scrim.addEventListener("click", () => this.setOpen(false));
    this.more.addEventListener("click", () => this.load(this.#after).catch(onProblem));
    this.find.addEventListener("input", () => this.#loadIn(TYPING));
    byId("new-chat").addEventListener("click", onNew);
    matchMedia(NARROW).addEventListener("change", () => this.setOpen(false));
    document.addEventListener("visibilitychange", () => this.#lookAgain());
    this.setOpen(false);
  }

  get isOpen() {
    return this.element.classList.contains("open");
  }

  /** Open or close the drawer; beside a wide page the column is always there. */
  setOpen(open) {
    const narrow = matchMedia(NARROW).matches;
    const close = this.isOpen && !open;
    this.element.classList.toggle("open", open);
    this.element.inert = narrow && !open;
    this.scrim.hidden = !open;
    this.toggle.setAttribute("aria-expanded", String(open));
    if (open) byId("new-chat").focus();
    else if (close && narrow) this.toggle.focus();
  }

  /** Load the first page, or the one after `after`. */
  async load(after = null) {
    const find = this.find.value.trim();
    const before = new Set(this.#threads), pressed = after && document.activeElement === this.more;
    const page = await this.ask({ ...(find && { find }), ...(after && { after }) });
    // Something else is looked for by now.
    if (find !== this.find.value.trim()) return;
    const ids = new Set(page.data.map((thread) => thread.id));
    // A chat that has begun meanwhile may not be in the answer.
    const kept = this.#threads.filter((thread) => (after || !before.has(thread)) && !ids.has(thread.id));
    this.#threads = after ? [...kept, ...page.data] : [...page.data, ...kept];
    this.#after = page.after;
    for (const { id, drawing } of page.data) this.#markAsTold(id, drawing);
    this.#draw();
    if (pressed && this.more.hidden) this.list.querySelector("li:last-child a")?.focus();
    this.#lookAgain();
  }

  /** Put a thread that is used or renamed first, without asking the server. */
  put({ id, title }) {
    const others = this.#threads.filter((thread) => thread.id !== id);
    this.#threads = [{ id, title, updated_at: new Date().toISOString() }, ...others];
    this.#draw();
  }

  /** Take a deleted thread off the list. */
  remove(id) {
    this.#threads = this.#threads.filter((thread) => thread.id !== id);
    this.#draw();
  }

  /** Mark a chat as `"drawing"`, as `"done"` while nobody has looked, or as neither. */
  mark(id, mark) {
    if (mark) this.#marks.set(id, mark);
    else this.#marks.delete(id);
    this.#draw();
  }

  /** Mark the open thread. */
  select(id) {
    this.#current = id;
    if (this.#marks.get(id) === "done") this.#marks.delete(id);
    this.#draw();
  }

  #markAsTold(id, drawing) {
    const mark = this.#marks.get(id);
    if (drawing) this.#marks.set(id, "drawing");
    else if (mark === "drawing") this.#marks.set(id, "done");
    if (id === this.#current && !drawing) this.#marks.delete(id);
  }

  #loadIn(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.load().catch(this.actions.onProblem), milliseconds);
  }

  #lookAgain() {
    const drawing = this.#threads.some(({ id }) => id !== this.#current && this.#marks.get(id) === "drawing");
    if (drawing && !document.hidden) this.#loadIn(LOOK);
  }

  #draw() {
    const focused = this.list.contains(document.activeElement) && document.activeElement.dataset.key;
    this.list.replaceChildren(...this.#threads.map((thread) => this.#entry(thread)));
    if (focused) this.list.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
    const looksFor = Boolean(this.find.value.trim());
    this.more.hidden = !this.#after;
    this.find.hidden = !looksFor && this.#threads.length < MANY;
    byId("no-threads").hidden = this.#threads.length > 0;
    byId("no-threads").textContent = looksFor ? "No chat has this in its title." : "Your chats will be listed here.";
  }

  #entry(thread) {
    const { id, updated_at: at } = thread, title = threadTitle(thread), mark = this.#marks.get(id);
    const { onRename, onDelete } = this.actions;
    return h("li", { class: "thread" },
      h("a", {
        href: `#${id}`, title, "data-key": `open ${id}`, onclick: () => this.setOpen(false),
        "aria-current": id === this.#current && "page",
      },
      h("span", { class: "thread-title", dir: "auto" }, title),
      h("span", { class: "thread-facts" },
        at && h("time", { dateTime: at, title: new Date(at).toLocaleString() }, shortDate(new Date(at))),
        mark && h("span", { class: `mark ${mark}` }, MARKS[mark]))),
      iconButton("pencil", `Rename ${title}`, { "data-key": `rename ${id}`, onclick: () => onRename(thread, title) }),
      iconButton("trash", `Delete ${title}`, { "data-key": `delete ${id}`, onclick: () => onDelete(thread, title) }));
  }
}
