/** The page's dialogs: a new title, a report, a last question. */

import { byId, h } from "./dom.js";

/** Show a dialog; resolves to whether it was confirmed. */
function ask(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok"), { once: true });
  });
}

/** Ask for a title; resolves to null if there is none. */
export async function askTitle(title) {
  const input = byId("rename-input");
  input.value = title;
  const answer = ask(byId("rename"));
  input.select();
  return (await answer) ? input.value.trim() || null : null;
}

/** Ask what is wrong with an image; resolves to null if nobody says so. */
export async function askReport() {
  const input = byId("report-input");
  input.value = "";
  return (await ask(byId("report"))) ? input.value.trim() : null;
}

/** Ask whether to delete a chat. */
export function confirmDelete(title) {
  byId("confirm-text").replaceChildren("“", h("bdi", {}, title), "” and its images will be gone for good.");
  return ask(byId("confirm"));
}

/** Let Cancel, and a click beside a dialog, close it. */
export function setUpDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => {
      // Cancel is no submit button: Enter in a field would press the first of those.
      if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
    });
  }
}
