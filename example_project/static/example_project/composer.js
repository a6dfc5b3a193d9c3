/** The message box: text, attached images, Send and Stop. */

import { Attachments } from "./attachments.js";
import { byId, h, iconButton } from "./dom.js";
import { setUpDrop } from "./drop.js";

// Stop takes the place of Send: the second click of a double click is not meant for it.
const DOUBLE_CLICK = 500;

/** The form at the foot of the page. */
export class Composer {
  #busy = false;
  #locked = "";
  #problem = "";
  #sentAt = -DOUBLE_CLICK;

  /** @param {{onSend: Function, onStop: Function}} actions */
  constructor(api, { onSend, onStop }) {
    this.onSend = onSend;
    this.form = byId("composer");
    this.text = byId("main");
    this.send = byId("send");
    this.stop = byId("stop");
    this.problem = byId("problem");
    this.files = new Attachments(api, {
      onChange: () => this.#refresh(),
      onRefused: () => this.#showProblems(),
      onRemove: () => this.focus(),
    });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.text.addEventListener("input", () => this.#refresh());
    this.text.addEventListener("keydown", (event) => this.#keydown(event));
    this.text.addEventListener("paste", ({ clipboardData }) => {
      if (clipboardData.files.length) this.attach(clipboardData.files);
    });
    setUpDrop((files) => this.attach(files));
    this.stop.addEventListener("click", () => {
      if (performance.now() - this.#sentAt > DOUBLE_CLICK) onStop();
    });
    this.#refresh();
  }

  focus() {
    this.text.focus();
  }

  /** Say which files may be attached: `{enabled, accept, maxSize, maxCount}`. */
  setRules(rules) {
    this.files.setRules(rules);
  }

  /** Show Stop while an answer is on its way. */
  setBusy(busy, canStop) {
    const hadFocus = [this.stop, this.send].includes(document.activeElement);
    this.#busy = busy;
    this.stop.hidden = !(busy && canStop);
    this.send.hidden = !this.stop.hidden;
    this.#refresh();
    // The button that was pressed is gone; focus must not fall to the page.
    if (hadFocus) (this.stop.hidden ? this.text : this.stop).focus();
  }

  /** Close the box with a reason, or open it with an empty one. */
  setLocked(reason) {
    this.#locked = reason;
    for (const control of [this.text, byId("attach"), byId("take")]) control.disabled = Boolean(reason);
    this.text.placeholder = reason ? "This chat takes no messages." : "Describe an image";
    byId("locked").textContent = reason;
    byId("locked").hidden = !reason;
    this.#refresh();
  }

  /** Say what went wrong above the box; an empty message takes all of it away. */
  setProblem(message) {
    this.#problem = message;
    if (!message) this.files.refused = [];
    this.#showProblems();
  }

  /** Put a message back that could not be sent, unless there is a newer one. */
  restore({ text, attachments }) {
    if (!this.text.value) this.text.value = text;
    this.files.restore(attachments);
    this.focus();
  }

  /** Upload files and show them as chips. */
  attach(files) {
    if (!this.#locked) this.files.add(files);
  }

  #showProblems() {
    const refused = this.files.refused.map(({ name, reason }) => h("p", {}, h("bdi", {}, name), `: ${reason}`));
    const words = this.#problem && h("p", { dir: "auto" }, this.#problem);
    this.problem.hidden = !words && !refused.length;
    const close = iconButton("close", "Dismiss", {
      onclick: () => {
        this.setProblem("");
        this.focus();
      },
    });
    this.problem.replaceChildren(...(this.problem.hidden ? [] : [h("div", {}, words, ...refused), close]));
  }

  #keydown(event) {
    // While an input method composes a word, Enter belongs to it.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#submit();
  }

  #submit() {
    if (this.send.disabled || this.send.hidden) return;
    const text = this.text.value.trim();
    const attachments = this.files.take();
    this.text.value = "";
    this.setProblem("");
    this.#refresh();
    this.#sentAt = performance.now();
    this.onSend({ text, attachments });
  }

  #refresh() {
    const empty = !this.text.value.trim() && !this.files.count;
    this.send.disabled = this.#busy || Boolean(this.#locked) || this.files.isUploading || empty;
    this.files.list.hidden = !this.files.count;
    this.text.style.blockSize = "auto";
    this.text.style.blockSize = `${Math.min(this.text.scrollHeight, 200)}px`;
  }
}
