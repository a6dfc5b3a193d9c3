/** What belongs together in a thread: a message, and what was answered to it. No DOM. */

const NOTE = /^(note_.+|img_[0-9a-f]{32})$/;

/** Return what the server has told of an item; what its id tells until then. */
export function stateOf(thread, item) {
  const told = thread.states[item.id];
  if (told?.kind || item.type !== "assistant_message" || !NOTE.test(item.id)) return told ?? {};
  return { ...told, kind: "note", of: item.id.startsWith("img_") ? "image" : "answer" };
}

/** Return the id of the note that stands beside an image if it is only a preview. */
export function noteIdOf(item) {
  return item.image ? `note_${item.image.id.replace(/^img_/, "")}` : null;
}

/** Whether an item is the app's own words: a note, or words in place of what is gone. */
export function isNote(thread, item) {
  return item.type === "assistant_message" && ["note", "removed", "withheld"].includes(stateOf(thread, item).kind);
}

/** Return the turns of a thread: each with its message, which may be missing, and its items. */
export function turns(thread) {
  const found = [];
  for (const item of thread.items.values()) {
    if (item.type === "user_message" || !found.length) found.push({ message: null, items: [] });
    const turn = found.at(-1);
    if (item.type === "user_message") turn.message = item;
    else turn.items.push(item);
  }
  return found;
}

/** Return the turn of an item. */
export function turnOf(thread, itemId) {
  return turns(thread).find(({ message, items }) =>
    message?.id === itemId || items.some(({ id }) => id === itemId));
}

/** Return what an item is among the images of its turn, also if only words are left of it. */
export function placeOf(thread, itemId) {
  const drawn = (turnOf(thread, itemId)?.items ?? []).filter((item) => {
    const { kind, of, item: beside } = stateOf(thread, item);
    return item.type === "generated_image" || (kind && of === "image" && !beside);
  });
  return { number: drawn.findIndex(({ id }) => id === itemId) + 1, count: drawn.length };
}

/** Return "Image", or "Image 2 of 3" where a turn has several. */
export function nameOf(thread, itemId) {
  const { number, count } = placeOf(thread, itemId);
  return number && count > 1 ? `Image ${number} of ${count}` : "Image";
}

/** Return the items of a turn that a person may judge. */
export function results(thread, { items }) {
  const own = items.filter((item) => !item.local && !isNote(thread, item));
  const images = own.filter((item) =>
    item.type === "generated_image" && thread.images.get(item.id)?.phase === "done");
  // After a refusal the designer's own excuse is no answer.
  if (!images.length && items.some((item) => isNote(thread, item))) return [];
  return own.filter((item) => images.includes(item) || item.type === "assistant_message");
}

/** Return the thumb that is pressed for all that was judged of some items, if it is one. */
export function thumbOf(thread, items) {
  const pressed = new Set(items.map(({ id }) => thread.states[id]?.feedback).filter(Boolean));
  return pressed.size === 1 ? [...pressed][0] : null;
}
