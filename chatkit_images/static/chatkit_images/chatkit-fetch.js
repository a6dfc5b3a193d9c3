/**
 * A `fetch` for ChatKit.js whose answers survive a lost connection:
 *
 *     chatkit.setOptions({ api: { url, domainKey, fetch: createFetch() } });
 *
 * docs/resume.md describes its requests, and what happens when.
 */

import { isStream, pause, read, route, teller, within } from "./chatkit-stream.js";

// Milliseconds; a timer takes no more.
const NEVER = 2 ** 31 - 1;

// A page that is left closes its streams. That is no stop by the person.
let leaving = false;
addEventListener("pagehide", () => { leaving = true; });
addEventListener("pageshow", () => { leaving = false; });

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
 *   read the cookie.
 * @param {string} [options.cookieName] Name of Django's CSRF cookie.
 * @param {number} [options.retrySeconds] For how long a POST without an answer is sent again.
 * @param {number} [options.reconnectSeconds] For how long a lost stream is reconnected.
 * @param {number} [options.silenceSeconds] Silence after which a connection counts as lost.
 * @param {(state: {lost: boolean, run: string | null}) => void} [options.onReconnect]
 *   Called when a connection is lost, and once more when it is back or given up.
 * @param {typeof globalThis.fetch} [options.fetch] What makes the requests.
 */
export function createFetch({
  url: endpoint, credentials: sent = "same-origin", headers: more, csrfToken,
  cookieName = "csrftoken", retrySeconds = 30, reconnectSeconds = 120,
  silenceSeconds = 45, onReconnect = () => {}, fetch = globalThis.fetch,
} = {}) {
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
      return decodeURIComponent(cookie?.slice(cookieName.length + 1) ?? "");
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
        spent += await pause(attempt, signal);
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
    const kept = new Headers(init.headers);
    kept.delete("Content-Type");
    const headers = new Headers(init.headers);
    headers.set("ChatKit-Resume", "1");
    if (!headers.has("Idempotency-Key")) headers.set("Idempotency-Key", randomKey());
    const gone = new AbortController();
    // Dictation is answered only when all of it is understood. All other answers begin at once.
    const silence = typeOf(body) === "input.transcribe" ? NEVER : undefined;
    const answer = insist(url, { ...init, headers, signal: gone.signal }, signal, silence);
    let over = false;

    /** The caller wants no more events, so the run is stopped, unless the page is left. */
    async function leave(reason) {
      if (over) return;
      over = true;
      // A request without an answer may have begun a run.
      const run = (await answer.catch(() => null))?.headers.get("ChatKit-Run");
      gone.abort(reason);
      await new Promise((resolve) => setTimeout(resolve));
      if (!run || leaving) return;
      const stop = { method: "POST", credentials: init.credentials, headers: kept, keepalive: true };
      await insist(route(url, `runs/${run}/stop/`), stop).catch(() => {});
    }

    const aborted = new Promise((resolve, reject) => {
      signal?.addEventListener("abort", () => {
        reject(signal.reason);
        leave(signal.reason);
      }, { once: true });
    });
    const response = await Promise.race([answer, aborted]);
    const run = response.headers.get("ChatKit-Run");
    if (!run || !isStream(response)) return response;

    const events = read(response, run, {
      url, signal: gone.signal, silenceSeconds, reconnectSeconds, onReconnect,
      fetch: (to, more) => send(to, {
        credentials: init.credentials, ...more, headers: new Headers([...kept, ...more.headers]),
      }),
    });
    const encoder = new TextEncoder();
    const stream = new ReadableStream({
      start(controller) {
        aborted.catch((reason) => controller.error(reason));
      },
      async pull(controller) {
        const { value, done } = await events.next();
        if (over) return;
        over = done;
        if (done) controller.close();
        else controller.enqueue(encoder.encode(`data: ${value}\n\n`));
      },
      cancel(reason) { leave(reason); },
    });
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
  if (!isStream(response)) throw refusal(response);
  const link = { url, signal, fetch, reconnectSeconds, silenceSeconds, onReconnect };
  const events = read(response, response.headers.get("ChatKit-Run"), link);
  return (async function* () {
    for await (const data of events) yield JSON.parse(data);
  })();
}

/**
 * Return whether an answer is being written in a thread, and by which run.
 *
 * @returns {Promise<{busy: boolean, run: string | null}>}
 */
export async function status(url, threadId, { signal, fetch = globalThis.fetch } = {}) {
  const path = `threads/${encodeURIComponent(threadId)}/status/`;
  return (await get(route(url, path), { signal, fetch })).json();
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
    if (spent >= seconds * 1000 || !(await isAway(response))) throw refusal(response);
    spent += await pause(attempt, signal);
    signal.throwIfAborted();
  }
}

function refusal({ status }) {
  return Object.assign(new Error(`The server answered ${status}.`), { status });
}

function randomKey() {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}
