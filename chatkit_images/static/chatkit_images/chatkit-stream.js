/** A run's events, read over as many connections as it takes. */

// Milliseconds of the longest pause between two tries.
const LONGEST = 8000;
/** What a reader gets in place of an end that could not be reached. */
export const FAILED = JSON.stringify({ type: "error", code: "stream.error", allow_retry: true });

/**
 * Yield the data of a run's events, over as many connections as it takes, with the number of
 * the event where one has been reached.
 *
 * `link.last` is the number of the last event that the reader has, `link.book` what it shows.
 */
export async function* read(response, run, link) {
  const { url, signal, fetch, onReconnect, book = new Book() } = link;
  const [silence, patience] = [link.silenceSeconds * 1000, link.reconnectSeconds * 1000];
  const lost = teller(onReconnect, run);
  let last = link.last ?? "", attempt = 0, spent = 0, asked = false;
  try {
    for (;;) {
      // Events without numbers are a digest, which counts once all of it is there.
      let held = [];
      try {
        for await (const { id, data } of framesOf(response.body, silence)) {
          if (data) held.push(JSON.parse(data));
          lost(false);
          attempt = spent = 0;
          if (!id) continue;
          const news = Number(id) > Number(last) ? held : [];
          last = news.length ? id : last;
          held = [];
          if (news.length) asked = false;
          const shown = news.length > 1 ? [...book.replay(news)] : news.map((event) => book.note(event));
          for (const [place, data] of shown.entries()) {
            yield place < shown.length - 1 ? { data } : { data, id };
          }
        }
        // Without a log the server sends what the database has, and ends. If that is an
        // error alone, it says nothing about the items.
        const all = held.some((event) => event.type !== "error");
        for (const data of book.replay(held, all)) yield { data };
        // A proxy may end a stream in the middle. A second request shows whether it did.
        if (asked || !book.open.size) return;
        asked = true;
      } catch (error) {
        if (signal.aborted) throw error;
      }
      let least = 0;
      for (response = null; !response;) {
        if (spent > patience) return yield { data: FAILED };
        lost(true);
        spent += await pause(attempt++, signal, least);
        signal.throwIfAborted();
        const begun = Date.now();
        const headers = new Headers(last ? { "Last-Event-ID": last } : {});
        const request = fetch(route(url, `runs/${run}/events/`), { headers, signal, cache: "no-store" });
        const answer = await within(silence, request).catch(() => null);
        // Nobody reads an answer that comes too late, and it must not count as a reader.
        if (!answer) request.then((late) => late.body?.cancel(), () => {});
        spent += Math.min(Date.now() - begun, silence);
        least = answer ? waitOf(answer) : 0;
        if (answer?.ok && isStream(answer)) response = answer;
        else if (answer && answer.status < 500 && answer.status !== 429) {
          return asked || (yield { data: FAILED });
        }
      }
    }
  } finally {
    lost(false);
  }
}

/** What the reader of a stream has been shown. */
export class Book {
  /** Ids of items that have been added and are not done. */
  open = new Set();
  #done = new Set();
  /** The last event of each thing that the reader has seen. */
  #last = new Map();

  /** Return the same for another reader of the same stream. */
  copy() {
    const made = new Book();
    made.open = new Set(this.open);
    made.#done = new Set(this.#done);
    made.#last = new Map(this.#last);
    return made;
  }

  /** Write down an event that is passed on; returns its data. */
  note(event) {
    const data = JSON.stringify(event);
    const id = event.item?.id ?? event.item_id;
    if (event.type === "thread.item.added") this.open.add(id);
    else if (event.type !== "thread.item.updated") this.open.delete(id);
    if (/^thread\.item\.(done|replaced)$/.test(event.type)) this.#done.add(id);
    if (event.type === "thread.created") this.#done.add(event.type);
    this.#last.set(id ?? (event.type === "notice" ? data : event.type), data);
    return data;
  }

  /**
   * Yield the data of events that say in short what was, without what was shown.
   *
   * @param {object[]} events
   * @param {boolean} [all] Whether an item that they do not mention is not there.
   */
  *replay(events, all = false) {
    const there = new Set(events.map((event) => event.item?.id));
    const gone = all ? [...this.open].filter((id) => !there.has(id)) : [];
    const removed = gone.map((id) => ({ type: "thread.item.removed", item_id: id }));
    const end = events.findIndex((event) => event.type === "error");
    for (const event of end < 0 ? [...events, ...removed] : events.toSpliced(end, 0, ...removed)) {
      if ([...this.#last.values()].includes(JSON.stringify(event))) continue;
      // The client has this item, and would show it twice if it were added again.
      const type = { "thread.created": "thread.updated", "thread.item.done": "thread.item.replaced" };
      if (this.#done.has(event.item?.id ?? event.type)) event.type = type[event.type] ?? event.type;
      yield this.note(event);
    }
  }
}

/** Yield the complete frames of a body; fails if it breaks off or falls silent. */
async function* framesOf(body, silence) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { value = "", done } = await within(silence, reader.read());
      const frames = (text + value).split(/\r?\n\r?\n/);
      text = frames.pop();
      for (const frame of frames) {
        const lines = frame.split(/\r?\n/);
        const field = (name) => lines.find((line) => line.startsWith(`${name}:`))
          ?.slice(name.length + 1).trim();
        yield { id: field("id"), data: field("data") };
      }
      if (done && text) throw new TypeError("The stream was cut off.");
      if (done) return;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Call back when the state of a connection changes. */
export function teller(onReconnect, run) {
  let before = false;
  return (lost) => {
    if (lost !== before) onReconnect({ lost: (before = lost), run });
  };
}

/** Wait before another try, longer each time and no less than asked; returns for how long. */
export async function pause(attempt, signal, least = 0) {
  const most = Math.min(LONGEST, 500 * 2 ** attempt);
  const wait = Math.max(least, most / 2 + Math.random() * (most / 2));
  const over = new AbortController();
  await new Promise((resolve) => {
    setTimeout(resolve, wait);
    // The network is back, or nobody waits.
    addEventListener("online", resolve, { signal: over.signal });
    signal?.addEventListener("abort", resolve, { signal: over.signal });
  });
  over.abort();
  return wait;
}

/** Return the milliseconds for which a response asks its client to wait. */
export function waitOf(response) {
  const seconds = Number(response.headers.get("Retry-After")) || 0;
  return Math.min(LONGEST, Math.max(0, seconds * 1000));
}

/** Settle as a promise does; after so many milliseconds fail as a lost connection. */
export async function within(ms, promise) {
  let timer;
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(reject, ms, new TypeError("Nothing came."));
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Whether a response is a stream of events. */
export function isStream(response) {
  return Boolean(response.headers.get("Content-Type")?.startsWith("text/event-stream"));
}

/** Return the URL of a route below the chat endpoint's. */
export function route(url, path) {
  const base = new URL(url, location.href);
  if (!base.pathname.endsWith("/")) base.pathname += "/";
  return new URL(path, base);
}
