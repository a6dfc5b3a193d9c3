/** The state of one thread, and how ChatKit's events change it. No DOM in here. */

import { isNote, noteIdOf } from "./turns.js";

let localIds = 0;

/** Return the state of a thread that does not exist on the server yet. */
export function newThread() {
  return {
    id: null,
    title: null,
    status: { type: "active" },
    items: new Map(),
    // What the protocol says about an image only while it is made, by item id.
    images: new Map(),
    // Items that have been added and are not done.
    unfinished: new Set(),
    // What items do not say themselves, by their ids, and how the last answer ended.
    states: {},
    end: null,
    // The note that has come last, if the answer has made nothing since.
    note: null,
    hasMore: false,
    after: null,
    allowCancel: true,
    stopping: false,
    progress: "",
  };
}

/** Add an item that only this page knows: a message on its way, a notice, an error. */
export function addLocal(thread, item) {
  const id = `local_${++localIds}`;
  thread.items.set(id, { ...item, id, local: true });
  return id;
}

/** Remove the local items of the given types; returns their ids. */
export function removeLocal(thread, ...types) {
  const ids = [...thread.items.values()]
    .filter((item) => item.local && types.includes(item.type))
    .map((item) => item.id);
  for (const id of ids) thread.items.delete(id);
  return ids;
}

function updateThread(thread, data) {
  thread.id = data.id;
  thread.title = data.title ?? null;
  thread.status = data.status ?? { type: "active" };
}

function putItem(thread, item, done) {
  const changed = [item.id];
  if (item.type === "user_message") changed.push(...removeLocal(thread, "user_message"));
  thread.items.set(item.id, item);
  if (done) thread.unfinished.delete(item.id);
  else thread.unfinished.add(item.id);
  thread.note = isNote(thread, item) ? item.id : done ? thread.note : null;
  // A note beside an image says that it is only a preview.
  const beside = [...thread.items.values()].find((other) => noteIdOf(other) === item.id);
  if (beside) {
    thread.images.set(beside.id, { ...thread.images.get(beside.id), phase: "stopped" });
    changed.push(beside.id);
  }
  if (item.type === "generated_image") {
    const previous = thread.images.get(item.id);
    // After a stop the server keeps the best preview there was.
    const noted = thread.items.has(noteIdOf(item));
    const whole = item.image && !noted && !(thread.stopping && previous?.phase === "generating");
    thread.images.set(item.id, {
      phase: done ? (whole ? "done" : "stopped") : "generating",
      progress: done ? 1 : (previous?.progress ?? 0),
    });
  }
  return changed;
}

const updates = {
  "assistant_message.content_part.added": (item, update) => {
    item.content[update.content_index] = update.content;
  },
  "assistant_message.content_part.text_delta": (item, update) => {
    const part = (item.content[update.content_index] ??= { text: "", annotations: [] });
    part.text += update.delta;
  },
  "assistant_message.content_part.done": (item, update) => {
    item.content[update.content_index] = update.content;
  },
  "generated_image.updated": (item, update, thread) => {
    item.image = update.image;
    const image = thread.images.get(item.id);
    thread.images.set(item.id, {
      phase: "generating",
      // A partial may overtake its predecessor; the bar never goes back.
      progress: Math.max(image?.progress ?? 0, update.progress ?? 0),
    });
  },
};

const reducers = {
  "thread.created": (thread, event) => updateThread(thread, event.thread),
  "thread.updated": (thread, event) => updateThread(thread, event.thread),
  "thread.item.added": (thread, event) => putItem(thread, event.item, false),
  "thread.item.done": (thread, event) => putItem(thread, event.item, true),
  "thread.item.replaced": (thread, event) => putItem(thread, event.item, true),
  "thread.item.removed": (thread, event) => {
    thread.items.delete(event.item_id);
    thread.images.delete(event.item_id);
    thread.unfinished.delete(event.item_id);
    return [event.item_id];
  },
  "thread.item.updated": (thread, event) => {
    const item = thread.items.get(event.item_id);
    if (!item) return [];
    thread.note = null;
    updates[event.update.type]?.(item, event.update, thread);
    return [item.id];
  },
  stream_options: (thread, event) => {
    thread.allowCancel = event.stream_options.allow_cancel;
  },
  progress_update: (thread, event) => {
    thread.progress = event.text;
  },
  notice: (thread, event) => [addLocal(thread, { ...event, type: "notice" })],
  error: (thread, event) => {
    const message = event.message || "Something went wrong while answering.";
    const note = thread.items.get(thread.note), words = note && textOf(note);
    thread.end = {
      status: "failed", message, allow_retry: event.allow_retry,
      retry_after: lastUserMessage(thread)?.id ?? null,
    };
    // The note that says so has come before, and stays when this page is gone.
    if (words === message) {
      thread.states[note.id] = { kind: "note", of: "answer", ...thread.end };
      return [note.id];
    }
    // The note of an image says it in words of its own, and there is none of the answer. Staff
    // may read more than a note says.
    if (note && event.message && !message.startsWith(words)) return [note.id];
    return [addLocal(thread, { type: "error", message, allowRetry: event.allow_retry })];
  },
};

/** Apply one event; returns the ids of the items that changed. */
export function reduce(thread, event) {
  return reducers[event.type]?.(thread, event) ?? [];
}

/** Settle what a stream left open when it ended; returns the ids that changed. */
export function settle(thread) {
  thread.progress = "";
  const changed = [...thread.unfinished];
  for (const id of changed) {
    const image = thread.images.get(id);
    if (image) thread.images.set(id, { ...image, phase: "stopped" });
  }
  thread.unfinished.clear();
  return changed;
}

/**
 * Take what the server tells of the newest items, or of those before them: it counts more
 * than what this page has seen. Returns the ids of the items that are drawn anew.
 */
export function learn(thread, { end, items = {} }, ids) {
  const changed = ids.filter((id) => thread.states[id] || items[id]);
  for (const id of ids) {
    if (items[id]) thread.states[id] = items[id];
    else delete thread.states[id];
    const image = thread.images.get(id);
    if (image && items[id]?.kind === "preview") thread.images.set(id, { ...image, phase: "stopped" });
  }
  if (end === undefined) return changed;
  thread.end = end;
  const last = [...thread.items.values()].filter((item) => !item.local).at(-1);
  // An end without a note is told all the same.
  const gone = end ? removeLocal(thread, "error") : [];
  if (end?.message && !end.note) {
    const { message, allow_retry: allowRetry } = end;
    gone.push(addLocal(thread, { type: "error", message, allowRetry }));
  }
  return [...changed, ...gone, ...(last ? [last.id] : [])];
}

/** Put a page of stored items, newest first, before or after those there are. */
export function addPage(thread, page, { before = true } = {}) {
  const stored = new Map();
  for (const item of [...page.data].reverse()) {
    stored.set(item.id, item);
    if (item.type === "generated_image" && !thread.images.has(item.id)) {
      const phase = item.image ? "done" : "stopped";
      thread.images.set(item.id, { phase, progress: 1 });
    }
  }
  thread.items = new Map(before ? [...stored, ...thread.items] : [...thread.items, ...stored]);
  thread.hasMore = page.has_more;
  thread.after = page.after ?? null;
}

/** Return the ids that a fresh page of the newest items has no more: they were deleted. */
export function missing(thread, fresh) {
  const ids = [...thread.items.values()].filter((item) => !item.local).map(({ id }) => id);
  const start = fresh.hasMore ? ids.findIndex((id) => fresh.items.has(id)) : 0;
  if (start < 0) return [];
  return ids.slice(start).filter((id) => !fresh.items.has(id) && !thread.unfinished.has(id));
}

/** Put items into the server's order: those that are not named go first, new ones last. */
export function arrange(thread, ids) {
  const { items, unfinished } = thread;
  const named = new Set(ids), known = [...items];
  const isNew = (id, item) => item.local || unfinished.has(id);
  thread.items = new Map([
    ...known.filter(([id, item]) => !named.has(id) && !isNew(id, item)),
    ...ids.filter((id) => !isNew(id, items.get(id))).map((id) => [id, items.get(id)]),
    ...known.filter(([id, item]) => isNew(id, item)),
  ]);
}

/** Return the latest user message that the server knows. */
export function lastUserMessage(thread) {
  return [...thread.items.values()].findLast(
    (item) => item.type === "user_message" && !item.local,
  );
}

/** Forget what follows an item; returns the ids that went. */
export function truncateAfter(thread, itemId) {
  const ids = [...thread.items.keys()];
  const gone = ids.slice(ids.indexOf(itemId) + 1);
  for (const id of gone) {
    thread.items.delete(id);
    thread.images.delete(id);
  }
  return gone;
}

/** Return the words of a user or assistant message. */
export function textOf(item) {
  return (item.content ?? []).map((part) => part?.text ?? "").join("\n\n").trim();
}

/** Return the user's words that led to an item. */
export function promptFor(thread, itemId) {
  let prompt = "";
  for (const item of thread.items.values()) {
    if (item.id === itemId) break;
    if (item.type === "user_message") prompt = textOf(item) || prompt;
  }
  return prompt || "Generated image";
}
