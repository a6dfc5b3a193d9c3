/**
 * A `fetch` for ChatKit.js whose answers survive a lost connection:
 *
 *     chatkit.setOptions({ api: { url, domainKey, fetch: createFetch() } });
 *
 * docs/resume.md describes its requests, and what happens when.
 */

import { isOfTab, Repeats } from "./chatkit-repeats.js";
import { Book, FAILED, isStream, pause, read, route, teller, waitOf, within } from "./chatkit-stream.js";

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
  url: endpoint, credentials: sent = "same-origin", headers: more, csrfToken,
  cookieName = "csrftoken", retrySeconds = 30, reconnectSeconds = 120,
  silenceSeconds = 45, eventSource, onReconnect = () => {}, fetch = globalThis.fetch,
} = {}) {
  const repeats = new Repeats();
  const base = endpoint && route(endpoint, "");
  const foreign = Boolean(base) && base.origin !== location.origin;
  let told;

  /** Whether a request goes to the app. */
  function isOurs(url) {
    if (!base) return url.origin === location.origin;
    return url.origin === base.origin && route(url, "").pathname.startsWith(base.pathname);
  }

  /** Return the CSRF token; ask the app for it where its cookie is another host's. */
  async function token(renew) {
    const given = await called(csrfToken);
    if (given !== undefined) return given;
    if (!foreign) {
      const cookie = document.cookie.split("; ").find((each) => each.startsWith(`${cookieName}=`));
      if (cookie) return decodeURIComponent(cookie.slice(cookieName.length + 1));
      // Of `{% csrf_token %}`, where no script may read the cookie.
      return document.querySelector("input[name=csrfmiddlewaretoken]")?.value ?? "";
    }
    if (sent !== "include") return undefined;
    if (renew) told = undefined;
    told ??= ask();
    return told.catch((error) => {
      told = undefined;
      throw error;
    });
  }

  async function ask() {
    const headers = await called(more);
    const response = await fetch(route(base, "csrf/"), { headers, credentials: sent, cache: "no-store" });
    // With an empty token the request itself is told why it is refused.
    return response.ok ? (await response.json()).csrfToken : "";
  }

  /** Make a request as Django expects it from its own pages. */
  async function send(url, init, renew = false) {
    if (!isOurs(url)) return fetch(url, init);
    const headers = new Headers(init.headers);
    const isRead = foreign && (init.method ?? "GET").toUpperCase() === "GET";
    const csrf = isRead ? undefined : await token(renew);
    if (csrf !== undefined) headers.set("X-CSRFToken", csrf);
    new Headers(await called(more)).forEach((value, name) => headers.set(name, value));
    const response = await fetch(url, { ...init, headers, credentials: sent });
    // The token changes at a login, and what it was refused for was not done.
    const again = !renew && foreign && csrf !== undefined && await isForged(response);
    return again ? send(url, init, true) : response;
  }

  /** Make a request until the app answers it, for `retrySeconds` or until nobody waits. */
  async function insist(url, init, signal, silence = silenceSeconds * 1000) {
    const lost = teller(onReconnect, null);
    let spent = 0, left = false;
    try {
      for (let attempt = 0; ; attempt++) {
        const begun = Date.now();
        const cut = new AbortController();
        const request = send(url, { ...init, signal: AbortSignal.any([cut.signal, init.signal].filter(Boolean)) });
        const answer = await within(silence, request).catch((error) => error);
        const known = answer instanceof Response;
        // Nobody reads an answer that comes too late.
        if (!known) cut.abort();
        const again = known ? await isAway(answer) : answer instanceof TypeError;
        // A page that slept meanwhile has made no tries, so ten seconds count at most.
        spent += Math.min(Date.now() - begun, 10_000);
        // A lost request may have begun a run that nobody waits for. It is sent once more.
        if (!again || (signal?.aborted && (known || left)) || spent > retrySeconds * 1000) {
          if (known) return answer;
          throw answer;
        }
        left = Boolean(signal?.aborted);
        lost(true);
        spent += await pause(attempt, signal, known ? waitOf(answer) : 0);
      }
    } finally {
      lost(false);
    }
  }

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

/** Return a value, or what a function returns that stands for it. */
function called(value) {
  return typeof value === "function" ? value() : value;
}

/** Whether the app has refused a CSRF token. */
async function isForged(response) {
  if (response.status !== 403) return false;
  return (await response.clone().json().catch(() => null))?.error?.code === "csrf_failed";
}

/** Whether a proxy answered in place of the app, or the app asks for a retry. */
async function isAway(response) {
  if (![502, 503, 504].includes(response.status)) return false;
  const told = await response.clone().json().catch(() => null);
  return told?.error?.allow_retry ?? true;
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
