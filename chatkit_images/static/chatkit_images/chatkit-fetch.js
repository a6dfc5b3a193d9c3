/**
 * A `fetch` for ChatKit.js whose answers survive a lost connection:
 *
 *     chatkit.setOptions({ api: { url, domainKey, fetch: createFetch() } });
 *
 * docs/resume.md describes its requests, and what happens when.
 */

import { isOfTab, Repeats } from "./chatkit-repeats.js";
import { requester } from "./chatkit-requests.js";
import { Book, FAILED, isStream, read, route } from "./chatkit-stream.js";

export { follow, status } from "./chatkit-thread.js";

// Milliseconds; a timer takes no more.
const NEVER = 2 ** 31 - 1;
// Operations whose answer is a stream.
const STREAMED = /^threads\.(create|add_\w+|retry_after_item|custom_action)$/;

/**
 * Return a function for ChatKit.js's `api.fetch`, which can also be called as `fetch`.
 *
 * @param {object} [options]
 * @param {string | URL} [options.url] The chat endpoint; required if it has another origin.
 *   Requests below it get what follows, other requests are passed on as they are.
 * @param {RequestCredentials} [options.credentials] `"include"` sends cookies to another origin.
 * @param {HeadersInit | (() => HeadersInit | Promise<HeadersInit>)} [options.headers] Further
 *   headers, such as `Authorization`.
 * @param {string | (() => string | Promise<string>)} [options.csrfToken] Where no script can
 *   read the cookie, and the page has no `{% csrf_token %}`.
 * @param {string} [options.cookieName] Name of Django's CSRF cookie.
 * @param {number} [options.retrySeconds] For how long a POST without an answer is sent again.
 * @param {number} [options.reconnectSeconds] For how long a lost stream is reconnected.
 * @param {number} [options.silenceSeconds] Silence after which a connection counts as lost.
 * @param {boolean} [options.eventSource] Whether the caller, as ChatKit.js, repeats a request
 *   with `Last-Event-ID` and reads no body of a refusal. Default: whether the request accepts
 *   an event stream alone.
 * @param {(state: {lost: boolean, run: string | null}) => void} [options.onReconnect]
 *   Called when a connection is lost, and once more when it is back or given up.
 * @param {typeof globalThis.fetch} [options.fetch] What makes the requests.
 */
export function createFetch({
  url: endpoint, credentials = "same-origin", headers: more, csrfToken,
  cookieName = "csrftoken", retrySeconds = 30, reconnectSeconds = 120,
  silenceSeconds = 45, eventSource, onReconnect = () => {}, fetch = globalThis.fetch,
} = {}) {
  const repeats = new Repeats();
  const { send, insist } = requester({
    url: endpoint, credentials, headers: more, csrfToken, cookieName, retrySeconds,
    silenceSeconds, onReconnect, fetch,
  });

  return async function chatkitFetch(input, init = {}) {
    if (input instanceof Request) {
      const { url, method, headers, credentials, signal } = input;
      const body = method === "POST" ? await input.clone().blob() : undefined;
      const text = /json/.test(body?.type) ? await body.text() : body;
      return chatkitFetch(url, { method, headers, credentials, signal, body: text, ...init });
    }
    const url = new URL(input, location.href);
    const { body, signal } = init;
    // A request without ChatKit's JSON, such as an upload, is sent once, and may go elsewhere.
    if (init.method?.toUpperCase() !== "POST" || (body && !mayRepeat(body))) return send(url, init);
    if (!body) return insist(url, init, signal);

    signal?.throwIfAborted();
    const turn = repeats.take(url.href, body);
    const { asked } = turn;
    const kept = new Headers(init.headers);
    const last = kept.get("Last-Event-ID") ?? "";
    kept.delete("Content-Type");
    kept.delete("Last-Event-ID");
    const headers = new Headers(init.headers);
    headers.set("ChatKit-Resume", "1");
    if (!headers.has("Idempotency-Key")) headers.set("Idempotency-Key", asked.key);
    const source = STREAMED.test(typeOf(body)) && (eventSource ?? isEventSource(headers));
    // What the caller has been shown by its tries before this one.
    const before = asked.rest;
    const book = asked.book = last ? asked.book : new Book();
    const gone = asked.rest = new AbortController();
    // Dictation is answered only when all of it is understood. All other answers begin at once.
    const silence = typeOf(body) === "input.transcribe" ? NEVER : undefined;
    const answer = insist(url, { ...init, headers, signal: gone.signal }, signal, silence);
    let over = false;

    const opened = answer.then((response) => {
      before?.abort();
      const run = response.headers.get("ChatKit-Run");
      const events = run && isStream(response) && read(response, run, {
        url, signal: gone.signal, silenceSeconds, reconnectSeconds, onReconnect, book, last,
        fetch: (to, more) => send(to, {
          credentials: init.credentials, ...more, headers: new Headers([...kept, ...more.headers]),
        }),
      });
      return { response, run, events };
    });

    /**
     * The caller wants no more events. A hidden tab is left, and the same request may come once
     * more when it is shown; until then its run keeps this reader. Otherwise the run is stopped.
     */
    async function leave(reason) {
      if (over) return;
      over = true;
      asked.book = book.copy();
      turn.lose();
      const ofTab = isOfTab();
      // A request without an answer may have begun a run.
      const { run, events } = (await opened.catch(() => null)) ?? {};
      if (events) turn.leave(drain(events));
      if (await ofTab || !turn.isNewest()) return;
      turn.end();
      gone.abort(reason);
      if (!run) return;
      const stop = { method: "POST", credentials: init.credentials, headers: kept, keepalive: true };
      await insist(route(url, `runs/${run}/stop/`), stop).catch(() => {});
    }

    const aborted = new Promise((resolve, reject) => {
      signal?.addEventListener("abort", () => {
        reject(signal.reason);
        leave(signal.reason);
      }, { once: true });
    });
    const { response, events } = await Promise.race([opened, aborted]).catch((error) => {
      turn.lose();
      throw error;
    });
    if (!events) {
      over = true;
      if (response.status < 500) turn.end();
      else turn.lose();
      return source ? readable(response) : response;
    }
    const encoder = new TextEncoder();
    const stream = new ReadableStream({
      start(controller) {
        aborted.catch((reason) => controller.error(reason));
      },
      async pull(controller) {
        const { value, done } = await events.next();
        if (over) return;
        over = done;
        if (!done && value.data === FAILED) turn.lose();
        else if (done && asked.lostAt === null) turn.end();
        if (done) return controller.close();
        const id = source && value.id ? `id: ${value.id}\n` : "";
        controller.enqueue(encoder.encode(`${id}data: ${value.data}\n\n`));
      },
      cancel(reason) { return void leave(reason); },
    // Nothing is taken from the events before the caller reads it, or it would be lost.
    }, { highWaterMark: 0 });
    const { status, statusText } = response;
    return new Response(stream, { status, statusText, headers: response.headers });
  };
}

/** Read events for nobody, so that their run keeps a reader. */
async function drain(events) {
  try {
    for await (const event of events) void event;
  } catch {
    // The run was stopped, or another try reads it.
  }
}

/** Whether a caller reads a stream of events and nothing else. */
function isEventSource(headers) {
  const accepted = headers.get("Accept") ?? "*/*";
  return /text\/event-stream/.test(accepted) && !/json|\*\/\*/.test(accepted);
}

/** Return a refusal as a stream that says why, for a caller that reads nothing else. */
async function readable(response) {
  const told = response.status < 400 ? null : await response.clone().json().catch(() => null);
  if (!told?.error?.message) return response;
  const { message, allow_retry } = told.error;
  const event = JSON.stringify({ type: "error", code: "custom", message, allow_retry });
  return new Response(`data: ${event}\n\n`, { headers: { "Content-Type": "text/event-stream" } });
}

/** Whether a body is ChatKit's, and may be sent twice: a synchronous action may not. */
function mayRepeat(body) {
  const type = typeOf(body);
  return Boolean(type) && type !== "threads.sync_custom_action";
}

function typeOf(body) {
  try {
    return JSON.parse(body).type;
  } catch {
    return undefined;
  }
}
