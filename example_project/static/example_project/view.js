/** The open chat as the page shows it: drawn, followed, read backwards. */

import { announce, byId } from "./dom.js";
import { Lightbox } from "./lightbox.js";
import { showLimits } from "./limits.js";
import { Scroller } from "./scroller.js";
import { Session } from "./session.js";
import { threadTitle } from "./sidebar.js";
import { Speaker } from "./speaker.js";
import { addLocal } from "./thread.js";

/** Keeps the log, the message box and the list of chats in step with one session. */
export class View {
  // Sessions whose answer is still on its way when another chat is opened go on in
  // here, and are shown as they are when they are opened again.
  #running = new Map();
  #lightbox;
  #speaker = new Speaker();
  #loadingEarlier = false;

  constructor(api, { composer, sidebar, log, onReport }) {
    this.api = api;
    this.#lightbox = new Lightbox({ onReport });
    this.composer = composer;
    this.sidebar = sidebar;
    this.log = log;
    this.scroller = new Scroller(() => this.showEarlier());
    this.session = this.newSession();
  }

  /** Return a session whose changes come here, of a chat that is not there yet. */
  newSession() {
    return new Session(this.api, (...change) => this.#onChange(...change));
  }

  /** Return the session of a chat whose answer is on its way, if there is one. */
  running(threadId) {
    return this.#running.get(threadId);
  }

  /** Show a session in place of the one that is open. */
  show(next) {
    this.session = next;
    this.showNoProblem();
    this.log.reset(next.thread);
    this.draw();
    this.sidebar.select(next.thread.id);
    this.scroller.toEnd();
  }

  /** Say that there is no such chat; its address stays, so that a reload says the same. */
  showMissing() {
    const next = this.newSession();
    next.thread.gone = true;
    addLocal(next.thread, { type: "missing" });
    this.show(next);
  }

  showProblem(error) {
    this.composer.setProblem(error.message);
  }

  showNoProblem() {
    this.composer.setProblem("");
  }

  /** Draw what stands around the entries of the log. */
  draw() {
    const { thread, busy } = this.session;
    const empty = !thread.id && !thread.items.size;
    byId("welcome").hidden = !empty;
    byId("title").hidden = empty;
    byId("title").textContent = thread.gone ? "Not found" : threadTitle(thread);
    document.title = thread.title ? `${thread.title} · Studio` : "Studio";
    byId("earlier").hidden = !thread.hasMore;
    // An image in the making says so itself.
    const drawing = [...thread.images.values()].some(({ phase }) => phase === "generating");
    byId("working").hidden = !busy || (drawing && !thread.progress);
    byId("working-text").textContent = thread.progress || "Working…";
    const logList = byId("log");
    if (logList.getAttribute("aria-busy") !== String(busy)) {
      this.#speaker.busy(busy);
      logList.setAttribute("aria-busy", String(busy));
    }
    this.log.finish(thread, busy);
    const { type, reason } = thread.status;
    this.composer.setLocked(type === "active" ? "" : reason || `This chat is ${type}.`);
    this.composer.setBusy(busy, thread.allowCancel);
  }

  #onChange(changed, ids, event) {
    const { thread, busy } = changed;
    if (thread.id && busy && !this.#running.has(thread.id)) {
      this.#running.set(thread.id, changed);
      this.sidebar.put(thread);
      this.sidebar.mark(thread.id, "drawing");
    } else if (!busy && this.#running.delete(thread.id)) {
      this.sidebar.mark(thread.id, changed === this.session ? null : "done");
      showLimits(this.api);
    }
    if (event?.type === "thread.created" || event?.type === "thread.updated") {
      this.sidebar.put(thread);
    }
    if (changed !== this.session) return;
    const follow = this.scroller.isFollowing;
    this.log.update(thread, ids);
    this.draw();
    this.#checkLightbox();
    if (event) this.#speaker.tell(thread, event);
    if (event?.type === "thread.created") {
      // Not `location.hash`: that would open the thread that is on the page already.
      history.replaceState(null, "", `#${thread.id}`);
      this.sidebar.select(thread.id);
    }
    if (follow) this.scroller.follow();
  }

  /** Find out what happened while nobody looked at this page, or it had no network. */
  look() {
    if (document.hidden) return;
    const looking = this.session;
    looking.look().catch((error) => {
      // What is out of reach now is looked for the next time.
      if (error.status !== 404 || looking !== this.session) return;
      this.sidebar.remove(looking.thread.id);
      this.showMissing();
    });
  }

  /** Show an image in full, and look whether it is there still. */
  openImage(image) {
    this.#lightbox.open(image);
    this.look();
  }

  /** Close the lightbox if its image is no more, and go to the words in its place. */
  #checkLightbox() {
    const gone = this.#lightbox.closeIfGone();
    const entry = gone && this.log.focus(gone);
    if (entry) announce(entry.innerText);
  }

  async showEarlier() {
    if (this.#loadingEarlier || !this.session.thread.hasMore) return;
    this.#loadingEarlier = true;
    const current = this.session, pressed = document.activeElement === byId("earlier");
    try {
      await current.earlier();
      if (current !== this.session) return;
      this.scroller.keep(() => {
        this.log.prepend(current.thread);
        this.draw();
      });
      if (pressed && !current.thread.hasMore) byId("title").focus({ preventScroll: true });
    } catch (error) {
      this.showProblem(error);
    } finally {
      this.#loadingEarlier = false;
    }
  }
}
