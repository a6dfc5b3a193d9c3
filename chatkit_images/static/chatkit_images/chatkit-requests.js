/** Requests as Django expects them from its own pages, sent until the app answers. */

import { pause, route, teller, waitOf, within } from "./chatkit-stream.js";

/**
 * Return two functions: `send` makes a request once, `insist` until the app answers it. The
 * options are those of `createFetch`.
 */
export function requester({
  url: endpoint, credentials: sent, headers: more, csrfToken, cookieName, retrySeconds,
  silenceSeconds, onReconnect, fetch,
}) {
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

  return { send, insist };
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
export async function isAway(response) {
  if (![502, 503, 504].includes(response.status)) return false;
  const told = await response.clone().json().catch(() => null);
  return told?.error?.allow_retry ?? true;
}
