/**
 * A double of what loads ChatKit.js's interface into a page, written from a description of it:
 * it makes the requests of a frame, repeats them after an HTTP 500 or above, and aborts them
 * while the tab is hidden.
 */

// How often a request is repeated after a failure, and its longest pause in milliseconds.
const TRIES = 5, LONGEST = 10_000;

/**
 * Ask for a stream as the loader does, and resolve to what its frame gets.
 *
 * @param {typeof fetch} fetch The option `api.fetch`.
 * @param {object} options `stop`, the signal of the frame; `speed`, by how much the pauses are
 *   shorter.
 */
export function stream(fetch, url, body, { stop, speed = 1 }) {
  const headers = { "Content-Type": "application/json", Accept: "text/event-stream" };
  const events = [];
  let tries = 0, current, timer;
  return new Promise((resolve) => {
    function finish(end) {
      removeEventListener("loader-visibility", look);
      clearTimeout(timer);
      resolve({ end, events });
    }

    function look({ detail }) {
      clearTimeout(timer);
      current.abort();
      if (detail === "visible") begin();
    }
    addEventListener("loader-visibility", look);
    stop?.addEventListener("abort", () => {
      current.abort();
      finish("stopped");
    });

    async function begin() {
      const abort = current = new AbortController();
      try {
        const response = await fetch(url, { method: "POST", headers, body, signal: abort.signal });
        const type = response.headers.get("Content-Type") ?? "";
        if (!response.ok || !type.startsWith("text/event-stream")) {
          const words = `Streaming failed: ${response.statusText}`;
          throw new Error(words, { cause: response.status });
        }
        for await (const { id, data } of frames(response.body, abort.signal)) {
          if (id) headers["last-event-id"] = id;
          if (data) events.push(JSON.parse(data));
        }
        if (!abort.signal.aborted) finish("ended");
      } catch (error) {
        if (abort.signal.aborted) return;
        if (!(error.cause >= 500) || tries >= TRIES) return finish(error.message);
        const most = Math.min(LONGEST, 1000 * 2 ** tries++);
        timer = setTimeout(begin, (most / 2 + Math.random() * (most / 2)) / speed);
      }
    }
    begin();
  });
}

async function* frames(body, signal) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done || signal.aborted) return;
    const found = (text + decoder.decode(value, { stream: true })).split("\n\n");
    text = found.pop();
    for (const frame of found) {
      const field = (name) => frame.split("\n").find((line) => line.startsWith(`${name}: `))
        ?.slice(name.length + 2);
      yield { id: field("id"), data: field("data") };
    }
  }
}

/**
 * Hide or show the tab. The loader learns of it "before" the page, "after" it, or "late".
 */
export async function turn(state, order) {
  const tell = () => dispatchEvent(new CustomEvent("loader-visibility", { detail: state }));
  const change = () => {
    for (const [name, value] of [["visibilityState", state], ["hidden", state === "hidden"]]) {
      Object.defineProperty(document, name, { configurable: true, get: () => value });
    }
    document.dispatchEvent(new Event("visibilitychange"));
  };
  if (order === "before") {
    tell();
    await new Promise((resolve) => setTimeout(resolve, 20));
    change();
  } else {
    change();
    if (order === "late") await new Promise((resolve) => setTimeout(resolve, 50));
    tell();
  }
}

/**
 * Return a `fetch` over a network that fails as a plan says, one entry for each chat request:
 * "" (well), "early" (502, not sent), "late" (502, but the app has begun), "lost" (the answer),
 * "down" (not sent) or "cut" (in the middle of the stream).
 */
export function faulty(plan) {
  return async function network(url, init = {}) {
    const fault = init.body ? plan.shift() : "";
    init.signal?.throwIfAborted();
    if (fault === "early") return new Response("<h1>Bad gateway</h1>", { status: 502 });
    if (fault === "down") throw new TypeError("Failed to fetch");
    if (!fault) return globalThis.fetch(url, init);
    const wire = new AbortController();
    const signal = AbortSignal.any([wire.signal, init.signal].filter(Boolean));
    const response = await globalThis.fetch(url, { ...init, signal });
    if (fault === "cut") {
      setTimeout(() => wire.abort(new TypeError("network error")), 150);
      return response;
    }
    wire.abort();
    if (fault === "lost") throw new TypeError("Failed to fetch");
    return new Response("<h1>Bad gateway</h1>", { status: 502 });
  };
}
