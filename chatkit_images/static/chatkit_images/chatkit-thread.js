/** What becomes of a thread in which an answer is being written. */

import { isAway } from "./chatkit-requests.js";
import { isStream, pause, read, route, waitOf } from "./chatkit-stream.js";

/**
 * Return the events of the answer that is being written in a thread: first what it shows
 * by now, then what follows. `null` if there is none. Leaving the events does not stop it.
 *
 * @param {string | URL} url The chat endpoint.
 * @param {string} threadId
 * @param {object} [options] `signal`; `fetch`, such as one that `createFetch` has made; the
 *   others as for `createFetch`.
 * @returns {Promise<AsyncGenerator<object> | null>}
 */
export async function follow(url, threadId, {
  signal = new AbortController().signal, reconnectSeconds = 120, silenceSeconds = 45,
  onReconnect = () => {}, fetch = globalThis.fetch,
} = {}) {
  const path = `threads/${encodeURIComponent(threadId)}/events/`;
  const response = await get(route(url, path), { signal, fetch }, reconnectSeconds);
  if (response.status === 204) return null;
  if (!isStream(response)) throw await refusal(response);
  const link = { url, signal, fetch, reconnectSeconds, silenceSeconds, onReconnect };
  const events = read(response, response.headers.get("ChatKit-Run"), link);
  return (async function* () {
    for await (const { data } of events) yield JSON.parse(data);
  })();
}

/**
 * Return whether an answer is being written in a thread, by which run, and how the last
 * one ended.
 *
 * @param {string | URL} url The chat endpoint.
 * @param {string} threadId
 * @param {object} [options] `items`: of how many items the states are wanted; `after`: of
 *   those before this item; `signal`, `fetch`.
 * @returns {Promise<{busy: boolean, run: string | null, end: object | null, items?: object}>}
 */
export async function status(url, threadId, { items, after, signal, fetch = globalThis.fetch } = {}) {
  const asked = route(url, `threads/${encodeURIComponent(threadId)}/status/`);
  if (items) asked.searchParams.set("items", items);
  if (after) asked.searchParams.set("after", after);
  return (await get(asked, { signal, fetch })).json();
}

/** Return the app's answer to a GET; retry for some seconds if it asks for that. */
async function get(url, { signal, fetch }, seconds = 0) {
  for (let attempt = 0, spent = 0; ; attempt++) {
    const response = await fetch(url, { signal, cache: "no-store" });
    if (response.ok) return response;
    if (spent >= seconds * 1000 || !(await isAway(response))) throw await refusal(response);
    spent += await pause(attempt, signal, waitOf(response));
    signal.throwIfAborted();
  }
}

/** Return the error of an answer that is none, with the app's words if it has some. */
async function refusal(response) {
  const told = await response.clone().json().catch(() => null);
  const message = told?.message ?? "Something is wrong at the server. Try again in a moment.";
  return Object.assign(new Error(message), { status: response.status, code: told?.error?.code });
}
