/** One open chat: its state, and the answer that is on its way into it. */

import { ApiError } from "./api.js";
import * as state from "./thread.js";

const LOST =
  "The connection was lost. What becomes of the answer will be shown here as it comes.";
const WATCH_EVERY = 3_000;
const WATCH_FOR = 60_000;

/** A thread together with its running stream. Reports changes, draws nothing. */
export class Session {
  busy = false;
  lost = false;
  #abort = null;

  /** @param {(session: Session, ids: string[]) => void} onChange */
  constructor(api, onChange) {
    this.api = api;
    this.onChange = onChange;
    this.thread = state.newThread();
  }

  /** Load a thread that the server has, with its latest items. */
  async open(threadId) {
    const [thread, page] = await Promise.all([
      this.api.call("threads.get_by_id", { thread_id: threadId }),
      this.#page(threadId),
    ]);
    this.thread.id = thread.id;
    state.reduce(this.thread, { type: "thread.updated", thread });
    state.addPage(this.thread, page);
  }

  /** Load the items before those there are. */
  async earlier() {
    state.addPage(this.thread, await this.#page(this.thread.id, this.thread.after));
  }

  /**
   * Load the latest items again: their picture URLs are fresh, a lost end is there.
   * Resolves to whether there was anything new.
   */
  async refresh() {
    const fresh = state.newThread();
    state.addPage(fresh, await this.#page(this.thread.id));
    const news = [...fresh.items.keys()].some((id) => !this.thread.items.has(id));
    for (const [id, item] of fresh.items) {
      this.thread.items.set(id, item);
      if (fresh.images.has(id)) this.thread.images.set(id, fresh.images.get(id));
    }
    this.onChange(this, [...fresh.items.keys()]);
    return news;
  }

  /**
   * Look for the rest of an answer that this page does not follow: its run goes on
   * after a reload or a lost connection. Gives up once nothing is new for a while.
   */
  async watch(isWanted) {
    const latest = [...this.thread.items.values()].findLast((item) => !item.local);
    let until = new Date(latest?.created_at ?? 0).getTime() + WATCH_FOR;
    while (Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, WATCH_EVERY));
      if (this.busy || !isWanted()) return;
      if (await this.refresh().catch(() => false)) until = Date.now() + WATCH_FOR;
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
    if (threadId) await this.#follow("threads.add_user_message", { input, thread_id: threadId });
    else await this.#follow("threads.create", { input });
  }

  /** Have the last user message answered again. */
  async retry() {
    const message = state.lastUserMessage(this.thread);
    if (!message) return;
    this.onChange(this, state.truncateAfter(this.thread, message.id));
    const params = { thread_id: this.thread.id, item_id: message.id };
    try {
      await this.#follow("threads.retry_after_item", params);
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
      this.#abort?.abort();
      return;
    }
    this.thread.stopping = true;
    await this.api.stop(this.thread.id);
  }

  async #follow(type, params) {
    let begun = false;
    this.busy = true;
    this.lost = false;
    this.thread.stopping = false;
    this.#abort = new AbortController();
    this.onChange(this, []);
    try {
      for await (const event of this.api.stream(type, params, this.#abort.signal)) {
        begun = true;
        this.onChange(this, state.reduce(this.thread, event), event);
      }
      if (!begun) throw new ApiError("The server sent no answer.");
    } catch (error) {
      if (!begun) {
        const gone = state.removeLocal(this.thread, "user_message");
        this.onChange(this, gone);
        throw error;
      }
      if (error.name !== "AbortError") this.#lose();
    } finally {
      this.busy = false;
      this.onChange(this, state.settle(this.thread));
    }
  }

  #lose() {
    this.lost = true;
    const event = { type: "error", message: LOST, allow_retry: true };
    this.onChange(this, state.reduce(this.thread, event), event);
  }
}
