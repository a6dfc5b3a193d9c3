/** One open chat: its state, and the answer that is on its way into it. */

import { ApiError, PAGE } from "./api.js";
import * as state from "./thread.js";

// How often is asked for the end of an answer, or for a stop of one that has not begun.
const TRIES = 4;

/** A thread together with its running stream. Reports changes, draws nothing. */
export class Session {
  busy = false;
  #abort = new AbortController();
  #live = null;
  #looking = false;

  /** @param {(session: Session, ids: string[]) => void} onChange */
  constructor(api, onChange) {
    this.api = api;
    this.onChange = onChange;
    this.thread = state.newThread();
  }

  /** Load a thread that the server has, with its latest items. */
  async open(threadId) {
    // Before the items are read: what is done by then is among them.
    const told = await this.api.status(threadId);
    this.#live = told.busy ? await this.api.follow(threadId, this.#abort.signal) : null;
    const [thread, page] = await Promise.all([
      this.api.call("threads.get_by_id", { thread_id: threadId }),
      this.#page(threadId),
    ]).catch((error) => {
      this.#abort.abort();
      throw error;
    });
    this.thread.id = thread.id;
    state.reduce(this.thread, { type: "thread.updated", thread });
    state.addPage(this.thread, page);
    state.learn(this.thread, told, page.data.map(({ id }) => id));
  }

  /** Load the items before those there are. */
  async earlier() {
    const { id, after } = this.thread;
    const [{ items }, page] = await Promise.all([this.api.status(id, after), this.#page(id, after)]);
    state.addPage(this.thread, page);
    state.learn(this.thread, { items }, page.data.map((item) => item.id));
  }

  /**
   * Load the latest items again: their image URLs are fresh, a lost end is there, and what
   * was removed is told.
   */
  async refresh(told = null) {
    const { id: threadId } = this.thread;
    const [known, page] = await Promise.all([told ?? this.api.status(threadId), this.#page(threadId)]);
    const fresh = state.newThread();
    state.addPage(fresh, page);
    const { items, images, unfinished } = this.thread;
    for (const [id, item] of fresh.items) {
      // It may have been removed since its state was told.
      const words = item.type === "assistant_message" && items.get(id)?.type === "generated_image";
      if (words && !known.items[id]?.kind) known.items[id] = { ...known.items[id], kind: "removed", of: "image" };
    }
    const gone = state.missing(this.thread, fresh);
    for (const id of gone) items.delete(id);
    for (const [id, item] of fresh.items) {
      // The stream knows better what is in the making.
      if (unfinished.has(id)) continue;
      items.set(id, item);
      if (fresh.images.has(id)) images.set(id, fresh.images.get(id));
      else images.delete(id);
    }
    state.arrange(this.thread, [...fresh.items.keys()]);
    const ids = [...fresh.items.keys()].filter((id) => !unfinished.has(id));
    const learnt = state.learn(this.thread, known.busy ? { items: known.items } : known, ids);
    this.onChange(this, [...gone, ...ids, ...learnt]);
  }

  /** Learn how the answer ended whose stream is over. */
  async #learn() {
    const { id } = this.thread;
    if (!id) return;
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const told = await this.api.status(id);
      // The stream is over a moment before its run is.
      if (!told.busy) return void await this.refresh(told);
      await new Promise((resolve) => setTimeout(resolve, 200 * 2 ** attempt));
    }
  }

  /** Follow the answer that was on its way when the thread was opened. */
  async join() {
    const live = this.#live;
    this.#live = null;
    if (live) await this.#follow(live);
  }

  /** Look for what another page has asked in this thread, and follow the answer. */
  async look() {
    if (this.busy || this.#looking || !this.thread.id) return;
    this.#looking = true;
    const abort = new AbortController();
    try {
      const told = await this.api.status(this.thread.id);
      const live = told.busy ? await this.api.follow(this.thread.id, abort.signal) : null;
      await this.refresh(told);
      // The person may have asked something meanwhile.
      if (live && !this.busy) await this.#follow(live);
    } finally {
      this.#looking = false;
      abort.abort();
    }
  }

  #page(threadId, after = null) {
    const params = { thread_id: threadId, order: "desc", limit: PAGE };
    return this.api.call("items.list", after ? { ...params, after } : params);
  }

  /**
   * Send a message and follow the answer.
   *
   * @throws {ApiError} if the server took nothing; the message is then not in the
   *   thread either.
   */
  async send({ text, attachments }) {
    const content = text ? [{ type: "input_text", text }] : [];
    const input = {
      content,
      attachments: attachments.map((attachment) => attachment.id),
      quoted_text: null,
      inference_options: {},
    };
    const gone = state.removeLocal(this.thread, "error", "missing");
    const id = state.addLocal(this.thread, { type: "user_message", content, attachments });
    this.onChange(this, [...gone, id]);
    const { id: threadId } = this.thread;
    if (threadId) await this.#ask("threads.add_user_message", { input, thread_id: threadId });
    else await this.#ask("threads.create", { input });
  }

  /** Have the last user message answered again. */
  async retry() {
    const { end } = this.thread;
    const message = end ? end.retry_after : state.lastUserMessage(this.thread)?.id;
    if (!message || this.busy) return;
    this.onChange(this, state.truncateAfter(this.thread, message));
    const params = { thread_id: this.thread.id, item_id: message };
    try {
      await this.#ask("threads.retry_after_item", params);
    } catch (error) {
      // Refused: what was to be replaced is still there.
      await this.refresh().catch(() => {});
      throw error;
    }
  }

  /** Ask the server to end the answer; it closes the stream itself. */
  async stop() {
    if (!this.busy) return;
    if (!this.thread.id) {
      this.#abort.abort();
      return;
    }
    this.thread.stopping = true;
    const asked = this.#abort;
    // The stop may come to the server before the answer has begun there.
    for (let attempt = 0; attempt < TRIES && this.busy && this.#abort === asked; attempt++) {
      if ((await this.api.stop(this.thread.id)).stopped) return;
      await new Promise((resolve) => setTimeout(resolve, 200 * 2 ** attempt));
    }
  }

  async #ask(type, params) {
    this.#abort = new AbortController();
    if (await this.#follow(this.api.stream(type, params, this.#abort.signal))) return;
    throw new ApiError("The server sent no answer.");
  }

  /** Show the events of an answer as they come; resolves to whether there were any. */
  async #follow(events) {
    let begun = false;
    this.busy = true;
    this.thread.stopping = false;
    this.thread.end = null;
    this.onChange(this, state.removeLocal(this.thread, "error"));
    try {
      for await (const event of events) {
        begun = true;
        this.onChange(this, state.reduce(this.thread, event), event);
      }
      return begun;
    } catch (error) {
      if (!begun || error.name !== "AbortError") throw error;
      return begun;
    } finally {
      const done = state.settle(this.thread);
      // What the server says of it is shown at once with the end.
      if (begun) await this.#learn().catch(() => {});
      this.busy = false;
      const gone = begun ? [] : state.removeLocal(this.thread, "user_message");
      this.onChange(this, [...gone, ...done]);
    }
  }
}
