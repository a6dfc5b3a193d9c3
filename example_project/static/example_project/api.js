/** ChatKit's wire protocol: one endpoint, JSON in, JSON or an event stream out. */

import { createFetch, follow, status } from "../chatkit_images/chatkit-fetch.js";
import { sendFile } from "./upload.js";

/** A request the server refused, or that never reached it. */
export class ApiError extends Error {
  constructor(message, { code = "network", status = 0 } = {}) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

const MESSAGES = {
  401: "Please log in to chat.",
  403: "The server refused this request. Reload the page and try again.",
  404: "This chat does not exist any more.",
  413: "That is too large to send.",
};

async function errorFrom(response) {
  const body = await response.json().catch(() => null);
  const { code, message } = body?.error ?? {};
  return new ApiError(
    message || MESSAGES[response.status] || `The server answered ${response.status}.`,
    { code: code ?? "http", status: response.status },
  );
}

/** Yield the JSON of each `data:` frame of an event stream; there are no others. */
export async function* readEvents(stream) {
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

/** Client of one ChatKit endpoint. */
export class ChatKitApi {
  #link;

  /** @param {(state: {lost: boolean}) => void} onReconnect Told of lost connections. */
  constructor(endpoint, onReconnect) {
    this.endpoint = endpoint;
    this.#link = { onReconnect, fetch: createFetch({ onReconnect }) };
  }

  async #answered(request) {
    let response;
    try {
      response = await request;
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError("The server cannot be reached. Check the connection.");
    }
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

  /** Make a call that is answered with JSON. */
  async call(type, params) {
    return (await this.#send(type, params)).json();
  }

  /** Make a call that is answered with events; yields them as they come. */
  async *stream(type, params, signal) {
    const response = await this.#send(type, params, signal);
    yield* readEvents(response.body);
  }

  /** Return the events of the answer that is being written in a thread, if there is one. */
  async live(threadId, signal) {
    const { busy } = await status(this.endpoint, threadId, this.#link);
    return busy ? follow(this.endpoint, threadId, { ...this.#link, signal }) : null;
  }

  /** End the thread's running answer on the server; the stream then ends by itself. */
  async stop(threadId) {
    const path = `threads/${encodeURIComponent(threadId)}/stop/`;
    return (await this.#fetch(path, {})).json();
  }

  /** Upload a file; resolves to its attachment. Takes the options of `sendFile`. */
  async upload(file, options) {
    return (await this.#answered(sendFile(`${this.endpoint}attachments/`, file, options))).json();
  }
}
