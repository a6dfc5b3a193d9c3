/** ChatKit's wire protocol: one endpoint, JSON in, JSON or an event stream out. */

import { createFetch, follow, status } from "../chatkit_images/chatkit-fetch.js";
import { sendBytes, sendFile } from "./upload.js";

/** A request the server refused, or that never reached it. */
export class ApiError extends Error {
  constructor(message, { code = "network", status = 0 } = {}) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

// What a person reads in place of what is meant for programs, by the code or the status.
const MESSAGES = {
  csrf_failed: "This page is too old, or it may keep no cookies. Reload it and try again.",
  not_authenticated: "Log in to chat.",
  not_found: "This is not there any more.",
  invalid_request: "This page is too old for the server. Reload it and try again.",
  401: "Log in to chat.",
  403: "You may not do that here. Reload the page and try again.",
  404: "This is not there any more.",
  413: "That is too large to send.",
};
const OFFLINE = "The server cannot be reached. Check the connection.";
const AWAY = "Something is wrong at the server. Try again in a moment.";

function wordsOf({ code, message, status }) {
  return MESSAGES[code] ?? message ?? MESSAGES[status] ?? AWAY;
}

async function errorFrom(response) {
  const body = await response.json().catch(() => null);
  const { code, message } = body?.error ?? {};
  const { status } = response;
  return new ApiError(wordsOf({ code, message, status }), { code: code ?? "http", status });
}

/** Return an error of the fetch module's in words for a person. */
function translated(error) {
  if (error instanceof ApiError || error.name === "AbortError") return error;
  const { code, status } = error;
  if (!status) return new ApiError(OFFLINE);
  return new ApiError(wordsOf({ code, status, message: code && error.message }), { code, status });
}

/** Yield the JSON of each `data:` frame of an event stream; there are no others. */
async function* readEvents(stream) {
  let buffer = "";
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const frames = (buffer + value).split("\n\n");
      buffer = frames.pop();
      for (const frame of frames) yield JSON.parse(frame.slice("data:".length));
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** How many items are asked for at once. */
export const PAGE = 20;

/** Client of one ChatKit endpoint. */
export class ChatKitApi {
  #link;

  /**
   * @param {(state: {lost: boolean}) => void} onReconnect Told of lost connections.
   * @param {{uploads?: "app" | "storage"}} options Where files go, as `ATTACHMENT_UPLOADS` has it.
   */
  constructor(endpoint, onReconnect, { uploads = "app" } = {}) {
    this.endpoint = endpoint;
    this.uploads = uploads;
    this.#link = { onReconnect, fetch: createFetch({ onReconnect }) };
  }

  async #reached(request) {
    try {
      return await request;
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError(OFFLINE);
    }
  }

  async #answered(request) {
    const response = await this.#reached(request);
    if (!response.ok) throw await errorFrom(response);
    return response;
  }

  #fetch(path, options) {
    return this.#answered(this.#link.fetch(this.endpoint + path, { method: "POST", ...options }));
  }

  #send(type, params, signal) {
    return this.#fetch("", {
      body: JSON.stringify({ type, params }),
      headers: { "Content-Type": "application/json" },
      signal,
    });
  }

  /** Return what the person has left. */
  async limits() {
    return (await this.#fetch("limits/", { method: "GET" })).json();
  }

  /** Return what the composer may send, as ChatKit.js's option of that name. */
  async composer() {
    return (await this.#fetch("composer/", { method: "GET" })).json();
  }

  /** Ask the staff of the site to look at an image. */
  async report(imageId, reason) {
    const headers = { "Content-Type": "application/json" };
    await this.#fetch(`images/${imageId}/report/`, { body: JSON.stringify({ reason }), headers });
  }

  /** Make a call that is answered with JSON. */
  async call(type, params) {
    return (await this.#send(type, params)).json();
  }

  /** Make a call that is answered with events; yields them as they come. */
  async *stream(type, params, signal) {
    const response = await this.#send(type, params, signal);
    yield* readEvents(response.body);
  }

  /**
   * Return whether a thread is busy, how its last answer ended, and what its newest items,
   * or those before one, do not say themselves.
   */
  status(threadId, after = null) {
    const asked = { ...this.#link, items: PAGE, ...(after && { after }) };
    return status(this.endpoint, threadId, asked).catch((error) => { throw translated(error); });
  }

  /** Return the events of the answer that is being written in a thread, if there is one. */
  follow(threadId, signal) {
    return follow(this.endpoint, threadId, { ...this.#link, signal })
      .catch((error) => { throw translated(error); });
  }

  /** End the thread's running answer on the server; the stream then ends by itself. */
  async stop(threadId) {
    const path = `threads/${encodeURIComponent(threadId)}/stop/`;
    return (await this.#fetch(path, {})).json();
  }

  /** Upload a file; resolves to its attachment. Takes the options of `sendFile`. */
  async upload(file, options) {
    if (this.uploads === "storage") return this.#uploadPast(file, options);
    return (await this.#answered(sendFile(`${this.endpoint}attachments/`, file, options))).json();
  }

  /** Send a file to the server's storage, and have the server look at it there. */
  async #uploadPast(file, options) {
    const { name, size, type } = file;
    const { id, upload_descriptor: target } = await this.call(
      "attachments.create", { name, size, mime_type: type });
    try {
      // What the storage says of a failure is for programs.
      const { ok } = await this.#reached(sendBytes(target, file, options));
      if (!ok) throw new ApiError(AWAY, { code: "upload_failed" });
      return await (await this.#fetch(`attachments/${encodeURIComponent(id)}/finish/`, {})).json();
    } catch (error) {
      // It waits for no message; the sweep finds what this call misses.
      this.call("attachments.delete", { attachment_id: id }).catch(() => {});
      throw error;
    }
  }
}
