/** The message box: text, attached images, Send and Stop. */

import { byId, h, iconButton } from "./dom.js";
import { setUpDrop } from "./drop.js";

// Stop takes the place of Send: the second click of a double click is not meant for it.
const DOUBLE_CLICK = 500;

/** The form at the foot of the page. */
export class Composer {
  #files = new Map();
  #busy = false;
  #locked = "";
  #sentAt = -DOUBLE_CLICK;

  /** @param {{onSend: Function, onStop: Function}} actions */
  constructor(api, { onSend, onStop }) {
    this.api = api;
    this.onSend = onSend;
    this.form = byId("composer");
    this.text = byId("main");
    this.chips = byId("chips");
    this.send = byId("send");
    this.stop = byId("stop");
    this.problem = byId("problem");
    const file = byId("file");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.text.addEventListener("input", () => this.#refresh());
    this.text.addEventListener("keydown", (event) => this.#keydown(event));
    this.text.addEventListener("paste", (event) => this.attach(event.clipboardData.files));
    setUpDrop((files) => this.attach(files));
    this.stop.addEventListener("click", () => {
      if (performance.now() - this.#sentAt > DOUBLE_CLICK) onStop();
    });
    byId("attach").addEventListener("click", () => file.click());
    file.addEventListener("change", () => {
      this.attach(file.files);
      file.value = "";
    });
    this.#refresh();
  }

  focus() {
    this.text.focus();
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
    this.text.disabled = byId("attach").disabled = Boolean(reason);
    this.text.placeholder = reason || "Describe an image";
    this.#refresh();
  }

  /** Say what went wrong above the box; an empty message takes it away. */
  setProblem(message) {
    this.problem.textContent = message;
    this.problem.hidden = !message;
  }

  /** Put a message back that could not be sent, unless there is a newer one. */
  restore({ text, attachments }) {
    if (!this.text.value) this.text.value = text;
    for (const attachment of attachments) this.#addChip({ attachment, name: attachment.name });
    this.#refresh();
    this.focus();
  }

  /** Upload files and show them as chips. */
  attach(files) {
    if (this.#locked) return;
    for (const file of files) {
      if (!file.type.startsWith("image/")) continue;
      const entry = this.#addChip({ name: file.name, preview: URL.createObjectURL(file) });
      this.api.upload(file).then(
        (attachment) => {
          // Removed while it was being uploaded: nobody will refer to it.
          if (this.#files.has(entry)) entry.attachment = attachment;
          else this.#discard(attachment);
        },
        (error) => {
          this.#removeChip(entry);
          this.setProblem(`${file.name}: ${error.message}`);
        },
      ).finally(() => {
        this.#files.get(entry)?.classList.remove("loading");
        this.#refresh();
      });
    }
    this.#refresh();
  }

  #addChip(entry) {
    const preview = entry.preview ?? entry.attachment?.preview_url;
    const chip = h("li", { class: entry.attachment ? "chip" : "chip loading" },
      preview && h("img", { src: preview, alt: "", class: "chip-image" }),
      h("span", { class: "chip-name" }, entry.name),
      iconButton("close", `Remove ${entry.name}`, {
        onclick: () => {
          this.#removeChip(entry);
          if (entry.attachment) this.#discard(entry.attachment);
          this.focus();
        },
      }));
    this.#files.set(entry, chip);
    this.chips.append(chip);
    return entry;
  }

  #removeChip(entry) {
    this.#files.get(entry)?.remove();
    this.#files.delete(entry);
    if (entry.preview) URL.revokeObjectURL(entry.preview);
    this.#refresh();
  }

  #discard(attachment) {
    // The server's sweep finds what this call misses.
    this.api.call("attachments.delete", { attachment_id: attachment.id }).catch(() => {});
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
    const attachments = [...this.#files.keys()].map((entry) => entry.attachment);
    for (const entry of [...this.#files.keys()]) this.#removeChip(entry);
    this.text.value = "";
    this.setProblem("");
    this.#refresh();
    this.#sentAt = performance.now();
    this.onSend({ text, attachments });
  }

  #refresh() {
    const files = [...this.#files.keys()];
    const uploading = files.some((entry) => !entry.attachment);
    const empty = !this.text.value.trim() && !files.length;
    this.send.disabled = this.#busy || Boolean(this.#locked) || uploading || empty;
    this.chips.hidden = !files.length;
    this.text.style.blockSize = "auto";
    this.text.style.blockSize = `${Math.min(this.text.scrollHeight, 200)}px`;
  }
}
