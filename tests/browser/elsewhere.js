/** What a page of another origin does, for test_origins.py: each a function of `scenarios`. */

const scenarios = {
  /** Return the modules, with one `fetch` for as long as the page is there. */
  async module(url, token) {
    if (globalThis.found) return globalThis.found;
    const made = await import("/chatkit-fetch.js");
    const states = [];
    const options = token
      ? { headers: async () => ({ Authorization: token }) }
      : { credentials: "include" };
    const onReconnect = ({ lost }) => states.push(lost);
    const chatkitFetch = made.createFetch({ url, onReconnect, ...options });
    return globalThis.found = { ...made, states, chatkitFetch };
  },

  send(chatkitFetch, url, type, params, signal) {
    const headers = { "Content-Type": "application/json" };
    return chatkitFetch(url, { method: "POST", headers, body: JSON.stringify({ type, params }), signal });
  },

  message(text) {
    const content = [{ type: "input_text", text }];
    return { input: { content, attachments: [], quoted_text: null, inference_options: {} } };
  },

  async *events(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = ""; ;) {
      const { value, done } = await reader.read();
      if (done) return;
      const frames = (text + value).split("\n\n");
      text = frames.pop();
      for (const frame of frames) yield JSON.parse(frame.slice(6));
    }
  },

  async chat(url, token) {
    const { chatkitFetch, states, status } = await this.module(url, token);
    const response = await this.send(chatkitFetch, url, "threads.create", this.message("a red fox"));
    let thread, image, previews = 0;
    for await (const event of this.events(response)) {
      thread ??= event.thread?.id;
      if (event.update?.type === "generated_image.updated") previews++;
      if (event.item?.type === "generated_image") image = event.item.image?.url ?? image;
    }
    const shown = new Image();
    shown.src = image;
    await shown.decode();
    return { previews, states, width: shown.naturalWidth,
      status: await status(url, thread, { fetch: chatkitFetch }) };
  },

  async upload(url, token) {
    const { chatkitFetch } = await this.module(url, token);
    const body = new FormData();
    const dot = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
    const bytes = Uint8Array.from(atob(dot), (letter) => letter.charCodeAt(0));
    body.append("file", new File([bytes], "a.gif", { type: "image/gif" }));
    const response = await chatkitFetch(new URL("attachments/", url), { method: "POST", body });
    return response.json();
  },

  async stop(url, token) {
    const { chatkitFetch, follow } = await this.module(url, token);
    const stopping = new AbortController();
    const params = this.message("a slow red fox");
    const response = await this.send(chatkitFetch, url, "threads.create", params, stopping.signal);
    let thread, followed, error;
    try {
      for await (const event of this.events(response)) {
        thread ??= event.thread?.id;
        if (event.update?.type !== "generated_image.updated") continue;
        const events = await follow(url, thread, { fetch: chatkitFetch });
        followed = (await events.next()).value.type;
        await events.return();
        stopping.abort();
      }
    } catch ({ name }) {
      error = name;
    }
    // The stop has been answered when the thread is free.
    const path = new URL(`threads/${thread}/status/`, url);
    while ((await (await chatkitFetch(path)).json()).busy) await new Promise((done) => setTimeout(done, 100));
    return { error, followed };
  },

  refused(url, token) {
    const headers = token ? { Authorization: token } : {};
    return fetch(new URL("threads/x/status/", url), { headers, credentials: "include" })
      .then(({ status }) => status, ({ name }) => name);
  },
};
