/**
 * Random sequences of what happens to a page with ChatKit.js: messages, a hidden tab, a network
 * that fails, stops and reloads. Each is a function of its seed.
 */

const CHAT = "/chatkit/";
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Return a generator of random numbers (mulberry32). */
function dice(seed) {
  let state = (seed + 1) * 0x9e3779b9;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    chance: (share) => next() < share,
    below: (most) => Math.floor(next() * most),
    pick: (list) => list[Math.floor(next() * list.length)],
  };
}

/** A page in a frame, so that it can be reloaded. */
class Page {
  static async open() {
    const frame = document.createElement("iframe");
    const loaded = new Promise((resolve) => frame.addEventListener("load", resolve, { once: true }));
    frame.src = "/blank/";
    document.body.append(frame);
    await loaded;
    const page = new Page();
    page.frame = frame;
    await page.begin();
    return page;
  }

  async begin() {
    const modules = "import('/static/chatkit_images/chatkit-fetch.js'), import('/loader.js')";
    [this.app, this.loader] = await this.frame.contentWindow.eval(`Promise.all([${modules}])`);
    // Faults of the network, for the next chat requests of the page.
    this.faults = [];
    this.network = this.loader.faulty(this.faults);
    this.shownAt = -Infinity;
  }

  async reload() {
    const loaded = new Promise((resolve) => this.frame.addEventListener("load", resolve, { once: true }));
    this.frame.contentWindow.location.reload();
    await loaded;
    await this.begin();
  }

  /** Return `api.fetch`: the app's, or one that only adds the CSRF header. */
  fetch(wrapped, retrySeconds) {
    if (wrapped) return this.app.createFetch({ fetch: this.network, retrySeconds });
    return (url, init) => {
      const headers = new Headers(init.headers);
      const [, token = ""] = /csrftoken=([^;]*)/.exec(document.cookie) ?? [];
      headers.set("X-CSRFToken", token);
      return this.network(url, { ...init, headers });
    };
  }

  async hide(order, ms) {
    await this.loader.turn("hidden", order);
    await wait(ms);
    await this.loader.turn("visible", order);
    this.shownAt = performance.now();
  }

  /** Return the newest thread of the person. */
  async newest(chatkitFetch) {
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ type: "threads.list", params: { limit: 1 } });
    const response = await chatkitFetch(CHAT, { method: "POST", headers, body });
    return (await response.json()).data[0]?.id ?? null;
  }

  /** Look for a thread after a reload, and at its live answer, to the end. */
  async look(wrapped, before) {
    this.faults.length = 0;
    const chatkitFetch = this.fetch(wrapped, 5);
    const thread = await this.newest(chatkitFetch);
    if (!thread || thread === before) return null;
    const following = this.app.follow(CHAT, thread, { fetch: chatkitFetch });
    // A thread goes with a first message that was not stored.
    const events = await following.catch((error) => {
      if (error.status !== 404) throw error;
    });
    for await (const event of events ?? []) void event;
    return thread;
  }
}

/** Play one sequence; returns what a person has said, stopped, and been shown. */
async function sequence(seed, { wrapped }) {
  const { chance, below, pick } = dice(seed);
  const page = await Page.open();
  // That of the sequence before.
  const before = await page.newest(page.fetch(wrapped, 5));
  const said = {}, seen = [];
  let thread = null, stops = 0, text = "";
  for (let turn = 0; turn < 2 + below(2); turn++) {
    // Now and then the same is said twice on purpose.
    if (!turn || !chance(0.2)) text = `${pick(["hello", "a fox"])} ${seed}-${turn}`;
    const input = { content: [{ type: "input_text", text }], attachments: [], inference_options: {} };
    const type = thread ? "threads.add_user_message" : "threads.create";
    const body = JSON.stringify({ type, params: thread ? { thread_id: thread, input } : { input } });
    // The module repeats a request by itself, or leaves that to the loader.
    const chatkitFetch = page.fetch(wrapped, pick([0, 5]));
    const faults = Array.from({ length: below(3) }, () => pick(["early", "late", "lost", "down", "cut"]));
    page.faults.splice(0, Infinity, ...faults);
    said[text] = (said[text] ?? 0) + 1;
    const stop = new AbortController();
    let over = false, left = false;
    const stream = page.loader.stream(chatkitFetch, CHAT, body, { stop: stop.signal, speed: 10 })
      .then((shown) => { over = true; return shown; });
    const acts = Array.from({ length: below(3) }, () => pick(["hide", "hide", "stop", "reload"]));
    for (const act of acts) {
      await wait(below(600));
      if (over || left) break;
      if (act === "hide") await page.hide(pick(["before", "after", "late"]), 10 + below(1500));
      if (act === "stop") {
        // Nobody presses a button in the moment in which a tab is shown.
        await wait(Math.max(0, page.shownAt + 700 - performance.now()));
        if (over) break;
        stop.abort();
        stops += 1;
        // What a person does next comes later than the stop's own request.
        await wait(1000);
      }
      if (act === "reload") {
        await page.reload();
        left = true;
      }
    }
    if (left) {
      const found = await page.look(wrapped, before);
      thread ??= found;
      seen.push({ text, end: "reloaded" });
      continue;
    }
    const { end, events } = await stream;
    thread ??= events.find((event) => event.type === "thread.created")?.thread.id ?? null;
    const count = (kind) => events.filter((each) => each.type === kind && each.item?.type === "user_message").length;
    const error = events.find((event) => event.type === "error")?.message;
    seen.push({ text, end, error, messages: count("thread.item.done") });
    if (!thread) thread = await page.look(wrapped, before);
  }
  page.frame.remove();
  return { seed, said, stops, seen };
}

/** Play sequences, one after the other. */
export async function play(seeds, options) {
  const played = [];
  for (const seed of seeds) played.push(await sequence(seed, options));
  return played;
}
