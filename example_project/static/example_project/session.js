/** One open chat: its state, and the answer that is on its way into it. */

import { ApiError } from "./api.js";
import * as state from "./thread.js";

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
    this.#live = await this.api.live(threadId, this.#abort.signal);
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
  }

  /** Load the items before those there are. */
  async earlier() {
    state.addPage(this.thread, await this.#page(this.thread.id, this.thread.after));
  }

  /** Load the latest items again: their image URLs are fresh, a lost end is there. */
  async refresh() {
    const fresh = state.newThread();
    state.addPage(fresh, await this.#page(this.thread.id));
    for (const [id, item] of fresh.items) {
      // The stream knows better what is in the making.
      if (this.thread.unfinished.has(id)) continue;
      this.thread.items.set(id, item);
      if (fresh.images.has(id)) this.thread.images.set(id, fresh.images.get(id));
    }
    this.onChange(this, [...fresh.items.keys()]);
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
      const live = await this.api.live(this.thread.id, abort.signal);
      await this.refresh();
      // The person may have asked something meanwhile.
      if (live && !this.busy) await this.#follow(live);
    } finally {
      this.#looking = false;
      abort.abort();
    }
  }

  #page(threadId, after = null) {
    const params = { thread_id: threadId, order: "desc", limit: 20 };
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
    const gone = state.removeLocal(this.thread, "error");
    const id = state.addLocal(this.thread, { type: "user_message", content, attachments });
    this.onChange(this, [...gone, id]);
    const { id: threadId } = this.thread;
    if (threadId) await this.#ask("threads.add_user_message", { input, thread_id: threadId });
    else await this.#ask("threads.create", { input });
  }

  /** Have the last user message answered again. */
  async retry() {
    const message = state.lastUserMessage(this.thread);
    if (!message) return;
    this.onChange(this, state.truncateAfter(this.thread, message.id));
    const params = { thread_id: this.thread.id, item_id: message.id };
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
    await this.api.stop(this.thread.id);
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
      this.busy = false;
      const gone = begun ? [] : state.removeLocal(this.thread, "user_message");
      this.onChange(this, [...gone, ...state.settle(this.thread)]);
    }
  }
}
