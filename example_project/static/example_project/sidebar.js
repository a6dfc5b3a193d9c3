/** The list of chats: a column beside the chat, a drawer where there is no room. */

import { byId, h, iconButton } from "./dom.js";

const NARROW = "(max-width: 820px)";

/** What a thread is called until somebody or something names it. */
export function threadTitle(thread) {
  if (thread.title) return thread.title;
  if (!thread.created_at) return "New chat";
  const when = new Date(thread.created_at);
  return `Chat of ${when.toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}`;
}

/** The sidebar with its pages of threads. */
export class Sidebar {
  #threads = [];
  #after = null;
  #current = null;

  constructor(api, { onNew, onRename, onDelete }) {
    this.api = api;
    this.actions = { onRename, onDelete };
    this.element = byId("sidebar");
    this.toggle = byId("drawer-toggle");
    this.scrim = byId("scrim");
    this.list = byId("threads");
    this.more = byId("more-threads");
    this.toggle.addEventListener("click", () => this.setOpen(!this.isOpen));
    this.scrim.addEventListener("click", () => this.setOpen(false));
    this.more.addEventListener("click", () => this.load(this.#after));
    byId("new-chat").addEventListener("click", onNew);
    matchMedia(NARROW).addEventListener("change", () => this.setOpen(false));
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
    const params = { limit: 30, order: "desc", ...(after && { after }) };
    const before = new Set(this.#threads);
    const page = await this.api.call("threads.list", params);
    const ids = new Set(page.data.map((thread) => thread.id));
    // A chat that has begun meanwhile may not be in the answer.
    const kept = this.#threads.filter((thread) => (after || !before.has(thread)) && !ids.has(thread.id));
    this.#threads = [...kept, ...page.data];
    this.#after = page.has_more ? page.after : null;
    this.#draw();
  }

  /** Put a new or renamed thread into the list without asking the server. */
  put(thread) {
    const known = this.#threads.find((other) => other.id === thread.id);
    if (known) Object.assign(known, { title: thread.title });
    else this.#threads.unshift({ id: thread.id, title: thread.title, created_at: new Date() });
    this.#draw();
  }

  /** Take a deleted thread off the list. */
  remove(id) {
    this.#threads = this.#threads.filter((thread) => thread.id !== id);
    this.#draw();
  }

  /** Mark the open thread. */
  select(id) {
    this.#current = id;
    for (const link of this.list.querySelectorAll("a")) {
      if (link.hash === `#${id}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  #draw() {
    this.list.replaceChildren(...this.#threads.map((thread) => this.#entry(thread)));
    this.more.hidden = !this.#after;
    byId("no-threads").hidden = this.#threads.length > 0;
    this.select(this.#current);
  }

  #entry(thread) {
    const title = threadTitle(thread);
    const { onRename, onDelete } = this.actions;
    return h("li", { class: "thread" },
      h("a", { href: `#${thread.id}`, title, onclick: () => this.setOpen(false) }, title),
      iconButton("pencil", `Rename ${title}`, { onclick: () => onRename(thread, title) }),
      iconButton("trash", `Delete ${title}`, { onclick: () => onDelete(thread, title) }));
  }
}
