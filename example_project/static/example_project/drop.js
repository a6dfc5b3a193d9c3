/** Files that are dragged onto the page. */

import { byId } from "./dom.js";

const hasFiles = (event) => event.dataTransfer?.types.includes("Files");

/** Hand files that are dropped on the chat to a function; elsewhere they open nothing. */
export function setUpDrop(attach) {
  const stage = byId("stage");
  const hint = byId("drop-here");
  // Dragged over the window; a browser would open a file that is dropped there.
  for (const type of ["dragover", "drop"]) {
    window.addEventListener(type, (event) => {
      if (hasFiles(event)) event.preventDefault();
    });
  }
  stage.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.dataTransfer.dropEffect = "copy";
    hint.hidden = false;
  });
  stage.addEventListener("dragleave", (event) => {
    // Between two elements of the stage it is not left.
    if (!stage.contains(event.relatedTarget)) hint.hidden = true;
  });
  stage.addEventListener("drop", (event) => {
    hint.hidden = true;
    if (hasFiles(event)) attach(event.dataTransfer.files);
  });
}
