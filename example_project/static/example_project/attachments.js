/** Files that go with a message: checked, on their way, and shown as chips. */

import { announce, byId, h, iconButton } from "./dom.js";
import { refusal, sentence } from "./rules.js";

/** The chips above the message box. */
export class Attachments {
  #files = new Map();

  /**
   * @param {{onChange: () => void, onRefused: (refused: {name: string, reason: string}[]) => void,
   *   onRemove: () => void}} actions `onRefused` is told all that were refused since files
   *   were added last.
   */
  constructor(api, actions) {
    this.api = api;
    this.rules = null;
    this.actions = actions;
    this.list = byId("chips");
    this.refused = [];
    for (const input of [byId("file"), byId("camera")]) {
      input.addEventListener("change", () => {
        this.add(input.files);
        input.value = "";
      });
    }
    byId("attach").addEventListener("click", () => byId("file").click());
    byId("take").addEventListener("click", () => byId("camera").click());
  }

  /** Learn what may be attached, as ChatKit.js's option `attachments` says it. */
  setRules(rules) {
    this.rules = rules.enabled ? rules : { accept: {} };
    for (const name of ["attach", "take"]) byId(name).hidden = !rules.enabled;
    for (const name of ["file", "camera"]) byId(name).accept = Object.keys(this.rules.accept).join(",");
    byId("rules").textContent = rules.enabled ? sentence(rules) : "";
  }

  get count() {
    return this.#files.size;
  }

  get isUploading() {
    return [...this.#files.keys()].some((entry) => !entry.attachment);
  }

  /** Take files that may be attached, and say of each other one why not. */
  add(files) {
    this.refused = [];
    this.actions.onRefused([]);
    for (const file of [...files]) {
      const reason = this.rules && refusal(file, this.count, this.rules);
      if (reason) this.#refuse(file.name, reason);
      else this.#upload(file);
    }
    this.actions.onChange();
  }

  /** Return what has been attached, and begin anew. */
  take() {
    const attachments = [...this.#files.keys()].map(({ attachment }) => attachment);
    for (const entry of [...this.#files.keys()]) this.#remove(entry);
    return attachments;
  }

  /** Put attachments back that could not be sent. */
  restore(attachments) {
    for (const attachment of attachments) this.#show({ attachment, name: attachment.name });
    this.actions.onChange();
  }

  async #upload(file) {
    const stop = new AbortController();
    const entry = this.#show({ name: file.name, preview: URL.createObjectURL(file), stop });
    const onProgress = (share) => { entry.bar.value = share; };
    try {
      const attachment = await this.api.upload(file, { onProgress, signal: stop.signal });
      if (!this.#files.has(entry)) {
        // Removed while it was being uploaded: nobody will refer to it.
        this.#discard(attachment);
      } else if (attachment.type !== "image") {
        this.#discard(attachment);
        throw new Error("This is no image.");
      } else {
        entry.attachment = attachment;
        entry.bar.remove();
        announce(`${file.name} is attached.`);
      }
    } catch (error) {
      this.#remove(entry);
      if (error.name !== "AbortError") this.#refuse(file.name, error.message);
    }
    this.#files.get(entry)?.classList.remove("loading");
    this.actions.onChange();
  }

  #refuse(name, reason) {
    this.refused.push({ name, reason });
    this.actions.onRefused(this.refused);
  }

  #show(entry) {
    const { name, attachment, stop } = entry;
    const preview = entry.preview ?? attachment?.preview_url;
    entry.bar = !attachment && h("progress", { class: "chip-bar", max: 1, value: 0, "aria-label": `Uploading ${name}` });
    const chip = h("li", { class: attachment ? "chip" : "chip loading" },
      preview && h("img", { src: preview, alt: "", class: "chip-image" }),
      h("span", { class: "chip-name", dir: "auto", title: name }, name), entry.bar,
      iconButton("close", `Remove ${name}`, {
        onclick: () => {
          stop?.abort();
          this.#remove(entry);
          if (entry.attachment) this.#discard(entry.attachment);
          this.actions.onRemove();
        },
      }));
    this.#files.set(entry, chip);
    this.list.append(chip);
    chip.scrollIntoView({ block: "nearest" });
    return entry;
  }

  #remove(entry) {
    this.#files.get(entry)?.remove();
    this.#files.delete(entry);
    if (entry.preview) URL.revokeObjectURL(entry.preview);
    this.actions.onChange();
  }

  #discard(attachment) {
    // The server's sweep finds what this call misses.
    this.api.call("attachments.delete", { attachment_id: attachment.id }).catch(() => {});
  }
}
