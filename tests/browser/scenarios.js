/**
 * Scenarios of test_fetch.py, each a function that returns what the test looks at; first the
 * server that they talk to, made of scripted answers.
 */

import { createFetch, follow, status } from "/static/chatkit_images/chatkit-fetch.js";

// The shortest pauses.
Math.random = () => 0;

const RUN = "6d2f2c3e-0000-4000-8000-000000000001";

/** Return a numbered frame; without a number one that says what was. */
function frame(id, event) {
  return `${id ? `id: ${id}\n` : ""}data: ${JSON.stringify(event)}\n\n`;
}

/**
 * Return a `fetch` that gives the answers in turn, the last one for ever.
 *
 * An answer is `"down"`, or `{status, json}`, or `{chunks, end}` where the end of the
 * stream is `"clean"`, `"cut"` or `"silence"`; `run` is its run. `wait` is how long it takes,
 * in milliseconds, `down` whether the connection breaks then.
 */
function server(...answers) {
  const requests = [];
  async function fetch(url, init = {}) {
    const headers = Object.fromEntries(new Headers(init.headers));
    const { method = "GET", body, keepalive = false, credentials } = init;
    const { pathname, origin } = new URL(url, location.href);
    requests.push({ path: pathname, origin, method, body, headers, keepalive, credentials });
    if (pathname.endsWith("/stop/")) return Response.json({ stopped: true });
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer.wait) await new Promise((resolve) => setTimeout(resolve, answer.wait));
    init.signal?.throwIfAborted();
    if (answer === "down" || answer.down) throw new TypeError("Failed to fetch");
    if (!answer.chunks) return answer.json ? Response.json(answer.json, answer) : new Response(answer.html, answer);
    const encoder = new TextEncoder();
    const stream = new ReadableStream({
      async start(controller) {
        init.signal?.addEventListener("abort", () => controller.error(init.signal.reason));
        for (const chunk of answer.chunks) {
          if (typeof chunk === "number") await new Promise((resolve) => setTimeout(resolve, chunk));
          else controller.enqueue(chunk instanceof Uint8Array ? chunk : encoder.encode(chunk));
          await new Promise((resolve) => setTimeout(resolve));
        }
        if (answer.end === "cut") controller.error(new TypeError("network error"));
        else if (answer.end !== "silence") controller.close();
      },
    });
    const type = { "Content-Type": "text/event-stream; charset=utf-8" };
    const run = answer.run === null ? {} : { "ChatKit-Run": RUN };
    return new Response(stream, { headers: { ...type, ...run } });
  }
  return { fetch, requests };
}

/** POST as ChatKit.js does. */
async function post(fetch, options = {}, init = {}) {
  const states = [];
  const chatkitFetch = createFetch({
    fetch, csrfToken: "token", onReconnect: ({ lost }) => states.push(lost), ...options,
  });
  const response = await chatkitFetch(init.url ?? "/chatkit/", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ type: "threads.create", params: {} }),
    ...init,
  });
  return { response, states };
}

/** POST and read the stream to its end. */
async function ask(fetch, options, init) {
  const { response, states } = await post(fetch, options, init);
  const text = await response.text();
  const lines = text.split("\n\n").filter(Boolean);
  const strange = lines.filter((line) => !line.startsWith("data: ") || line.includes("\nid"));
  return { events: lines.map((line) => JSON.parse(line.slice(6))), strange, states, status: response.status };
}

const created = { type: "thread.created", thread: { id: "t" } };
const item = (id) => ({ type: "thread.item.added", item: { id } });
const done = (id) => ({ type: "thread.item.done", item: { id } });

// Scenarios

export async function numbersAndHeartbeats() {
  const odd = { type: "notice", message: "a\u2028id: 7\u2029data: x, and data:\n\nid: 9" };
  const text = frame(1, odd) + ": keep-alive\n\n" + frame(2, { type: "notice", message: "über" });
  const bytes = [...new TextEncoder().encode(text)].map((byte) => Uint8Array.of(byte));
  const { fetch, requests } = server({ chunks: bytes });
  return { ...(await ask(fetch)), requests };
}

export async function cuts() {
  const next = frame(2, done("b"));
  const { fetch, requests } = server(
    { chunks: [frame(1, created), next.slice(0, 20)], end: "cut" },
    "down",
    { status: 502, html: "<h1>Bad gateway</h1>" },
    { chunks: [next, frame(3, item("c"))], end: "cut" },
    // One that the client has already: the log's copy was behind.
    { chunks: [frame(1, created), next, frame(3, item("c")), frame(4, done("c"))] },
  );
  const init = { headers: { "Content-Type": "application/json", "X-Tenant": "7" } };
  return { ...(await ask(fetch, {}, init)), requests };
}

export async function silence() {
  const beats = Array.from({ length: 14 }, () => [": keep-alive\n\n", 200]).flat();
  const { fetch, requests } = server(
    { chunks: [frame(1, created), ...beats], end: "silence" },
    { chunks: [frame(2, done("b"))] },
  );
  const begun = performance.now();
  return { ...(await ask(fetch, { silenceSeconds: 2 })), count: requests.length,
    ms: performance.now() - begun };
}

export async function endsInAnItem() {
  const cut = server({ chunks: [frame(1, item("a"))] }, { chunks: [frame(2, done("a"))] });
  const whole = server({ chunks: [frame(1, item("a"))] }, { chunks: [] });
  const gone = server({ chunks: [frame(1, item("a"))] }, { status: 404, json: {} });
  const plain = server({ chunks: [frame(1, created)] });
  const results = [];
  for (const { fetch, requests } of [cut, whole, gone, plain]) {
    results.push([(await ask(fetch)).events, requests.length]);
  }
  return results;
}

export async function endsElsewhere() {
  const { fetch, requests } = server(
    // Nothing is open, and the connection ends as it should.
    { chunks: [frame(1, created), frame(2, done("user")), ": elsewhere\n"] },
    { status: 503, json: { error: { code: "draining", allow_retry: true } } },
    { chunks: [": elsewhere\n"] },
    { chunks: [frame(3, item("a")), frame(4, done("a"))] },
  );
  return { ...(await ask(fetch)), last: requests.map((each) => each.headers["last-event-id"]) };
}

export async function endsInItems() {
  const { fetch, requests } = server(
    { chunks: [frame(1, item("a"))] },
    { chunks: [frame(2, done("a")), frame(3, item("b"))] },
    { chunks: [frame(4, done("b")), frame(5, item("c"))] },
    { chunks: [frame(6, done("c"))] },
  );
  return { ...(await ask(fetch)), count: requests.length };
}

export async function noLog() {
  const error = { type: "error", code: "stream.error", allow_retry: true };
  const start = [frame(1, created), frame(2, done("user")), frame(3, item("a")), frame(4, item("b"))];
  const rest = [created, done("user"), done("a"), done("c"), error];
  const renamed = { ...created, thread: { id: "t", title: "Fox" } };
  const { fetch } = server(
    { chunks: start, end: "cut" },
    // It counts only when it is complete.
    { chunks: [frame(0, created), frame(0, done("a"))], end: "cut" },
    { chunks: [": keep-alive\n\n", ...[renamed, ...rest].map((event) => frame(0, event))] },
  );
  return (await ask(fetch)).events;
}

export async function digest() {
  const notice = { type: "notice", message: "Wait." };
  const grown = { ...item("a"), item: { id: "a", text: "grown" } };
  const digest = [created, notice, done("user"), grown].map((event) => frame(0, event));
  const { fetch, requests } = server(
    { chunks: [frame(1, created), frame(2, notice), frame(3, done("user")), frame(4, item("a"))], end: "cut" },
    { chunks: digest, end: "cut" },
    { chunks: [...digest, frame(9, { type: "thread.item.removed", item_id: "b" })], end: "cut" },
    { chunks: [frame(10, done("a"))] },
  );
  const { events } = await ask(fetch);
  return { events, last: requests.map((each) => each.headers["last-event-id"]) };
}

export async function outOfReach(answer, options) {
  const { fetch } = server({ chunks: [frame(1, created)], end: "cut" }, answer);
  return ask(fetch, options);
}

export async function sentAgain() {
  const draining = { status: 503, json: { error: { code: "draining", allow_retry: true } } };
  const { fetch, requests } = server(
    "down", draining, { status: 502, html: "" }, { chunks: [frame(1, created)] },
  );
  return { ...(await ask(fetch)), requests };
}

export async function silentBeforeTheAnswer(type) {
  const { fetch, requests } = server({ chunks: [], wait: 1500 }, { chunks: [frame(1, created)] });
  const body = JSON.stringify({ type, params: {} });
  const seen = await ask(fetch, { silenceSeconds: 0.3 }, { body });
  return { ...seen, count: requests.length };
}

export async function sentOnce() {
  const results = [];
  const closed = { status: 503, json: { error: { code: "closed", allow_retry: false } } };
  const action = JSON.stringify({ params: {}, type: "threads.sync_custom_action" });
  const form = new FormData();
  form.append("file", new Blob(["x"]));
  for (const [answer, init] of [
    [closed, {}],
    [{ status: 500, json: { error: { allow_retry: true } } }, {}],
    ["down", { body: action }],
    ["down", { body: form, headers: {} }],
    ["down", { body: "x", url: "https://bucket.example/upload", headers: {} }],
  ]) {
    const { fetch, requests } = server(answer);
    const answered = await post(fetch, {}, init).then(
      ({ response }) => response.status, (error) => error.name,
    );
    results.push([answered, requests.map(({ headers }) => Object.keys(headers).sort())]);
  }
  return results;
}

export async function stops(way) {
  const wait = way.includes("before") ? 150 : 0;
  const answers = [{ chunks: [frame(1, created)], end: "silence", wait }];
  if (way.endsWith("lost-answer")) answers.unshift({ down: true, wait });
  const { fetch, requests } = server(...answers);
  const abort = new AbortController();
  const asked = post(fetch, {}, { signal: abort.signal });
  let error;
  if (way.startsWith("abort-before-the")) {
    setTimeout(() => abort.abort(), 50);
    error = await asked.catch((reason) => reason.name);
  } else {
    const reader = (await asked).response.body.getReader();
    await reader.read();
    if (way === "abort") {
      abort.abort();
      error = await reader.read().catch((reason) => reason.name);
    } else await reader.cancel();
  }
  for (let looks = 0; !requests.at(-1).path.endsWith("/stop/") && looks < 500; looks++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  // One more would come now.
  await new Promise((resolve) => setTimeout(resolve, 100));
  return { error, requests };
}

export async function pageGoes() {
  const { fetch, requests } = server({ chunks: [frame(1, created)], end: "silence" });
  const abort = new AbortController();
  await post(fetch, {}, { signal: abort.signal });
  dispatchEvent(new PageTransitionEvent("pagehide"));
  abort.abort();
  await new Promise((resolve) => setTimeout(resolve, 50));
  dispatchEvent(new PageTransitionEvent("pageshow"));
  return requests.length;
}

export async function hasEnded() {
  const { fetch, requests } = server({ chunks: [frame(1, created)] });
  const abort = new AbortController();
  await ask(fetch, {}, { signal: abort.signal });
  abort.abort();
  await new Promise((resolve) => setTimeout(resolve, 50));
  return requests.length;
}

export async function elsewhere(options) {
  const refused = { status: 403, json: { error: { code: "csrf_failed" } } };
  const told = (csrfToken) => ({ json: { csrfToken } });
  const answers = options.credentials ? [told("one"), refused, told("two")] : [];
  const { fetch, requests } = server(...answers, { json: { id: "t" } });
  const url = "https://api.example/chat";
  const headers = async () => ({ Authorization: "Bearer 7" });
  const chatkitFetch = createFetch({ url, headers, fetch, ...options });
  const body = JSON.stringify({ type: "threads.list", params: {} });
  await (await chatkitFetch(url, { method: "POST", body })).json();
  await status(url, "t", { fetch: chatkitFetch });
  for (const other of ["https://files.example/1", "https://api.example/chats/", "/chat/"]) {
    await chatkitFetch(other, { method: "PUT", body: "text" });
  }
  return requests.map(({ origin, path, method, headers, credentials }) => [
    `${method} ${origin === location.origin ? "" : origin}${path}`,
    headers.authorization ?? null, headers["x-csrftoken"] ?? null, credentials ?? null,
  ]);
}

export async function otherAnswers() {
  const json = server({ json: { id: "t" } });
  const bare = server({ chunks: [": keep-alive\n\n", "data: 1\n\n"], run: null });
  const request = new Request("/chatkit/", {
    method: "POST", body: '{"type": "threads.list"}',
    headers: { "Content-Type": "application/json" },
  });
  const asRequest = await createFetch({ fetch: json.fetch })(request);
  return {
    json: await (await post(json.fetch)).response.json(),
    bare: await (await post(bare.fetch)).response.text(),
    request: [await asRequest.json(), json.requests[0].body],
  };
}

export async function follows() {
  const idle = server({ status: 204 });
  const busy = server(
    { chunks: [frame(0, created), frame(5, item("a"))], end: "cut" },
    { chunks: [frame(6, done("a"))] },
  );
  const lost = server({ status: 404, json: {} });
  const draining = server(
    { status: 503, json: { error: { code: "draining", allow_retry: true } } },
    { chunks: [frame(1, created)] },
  );
  const events = [];
  for await (const event of await follow("/chatkit", "t/1", { fetch: busy.fetch })) {
    events.push(event);
  }
  const left = server({ chunks: [frame(1, created)], end: "silence" });
  const abort = new AbortController();
  const following = await follow("/chatkit/", "t", { fetch: left.fetch, signal: abort.signal });
  await following.next();
  abort.abort();
  const error = await following.next().catch((reason) => reason.name);
  return {
    events, error, idle: await follow("/chatkit/", "t", { fetch: idle.fetch }),
    lost: await follow("/chatkit/", "t", { fetch: lost.fetch }).catch(({ status }) => status),
    again: (await (await follow("/chatkit/", "t", { fetch: draining.fetch })).next()).value,
    paths: busy.requests.map(({ path }) => path), stops: left.requests.length,
    status: await status("/chatkit/", "t", { fetch: server({ json: { busy: true, run: "r" } }).fetch }),
  };
}

// Repetitions, by a double of ChatKit.js's loader

const ALONE = { "Content-Type": "application/json", Accept: "text/event-stream" };
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function sameAndAgain() {
  const bad = { status: 502, html: "<h1>Bad gateway</h1>" };
  const { fetch, requests } = server(bad, { chunks: [frame(1, created)] });
  const chatkitFetch = createFetch({ fetch, csrfToken: "token", retrySeconds: 0 });
  const say = async (text, metadata) => {
    const body = JSON.stringify({ metadata, type: "threads.create", params: { text } });
    const answer = await chatkitFetch("/chatkit/", { method: "POST", headers: ALONE, body });
    return [answer.status, await answer.text()];
  };
  // It fails, and is repeated; then a person says the same, and something else.
  await say("a");
  await say("a", { try: 2 });
  await say("a");
  await say("b");
  // Twice at once is what a person does, too.
  await Promise.all([say("c"), say("c")]);
  return requests.map(({ headers }) => headers["idempotency-key"]);
}

/** The token is of the cookie, or of a form where no script may read the cookie. */
export async function tokens() {
  const { fetch, requests } = server({ json: {} }, { json: {} }, { json: {} });
  const chatkitFetch = createFetch({ fetch });
  const say = () => chatkitFetch("/chatkit/", { method: "POST", body: "{}" });
  const life = (seconds) => `csrftoken=cookie; path=/blank/; max-age=${seconds}`;
  await say();
  document.body.innerHTML = '<input type="hidden" name="csrfmiddlewaretoken" value="page">';
  await say();
  document.cookie = life(60);
  await say();
  document.cookie = life(0);
  document.body.replaceChildren();
  return requests.map(({ headers }) => headers["x-csrftoken"]);
}

export async function hidden(order, pauseMs) {
  const { stream, turn } = await import("/loader.js");
  const first = [frame(1, created), frame(2, done("user")), frame(3, item("a"))];
  const { fetch, requests } = server(
    { chunks: first, end: "silence" }, { chunks: [frame(4, done("a"))] },
  );
  const options = { fetch, csrfToken: "token" };
  const body = JSON.stringify({ type: "threads.create", params: { order, pauseMs } });
  const asked = stream(createFetch(options), "/chatkit/", body, {});
  await wait(100);
  await turn("hidden", order);
  await wait(pauseMs);
  await turn("visible", order);
  const { end, events } = await asked;
  await wait(200);
  return { end, events, requests };
}

export async function shownTooSoon() {
  const { fetch, requests } = server({ chunks: [frame(1, created)], end: "silence" });
  const { turn } = await import("/loader.js");
  const abort = new AbortController();
  await post(fetch, {}, { signal: abort.signal });
  await turn("hidden", "after");
  await turn("visible", "after");
  abort.abort();
  await wait(300);
  return requests.length;
}

export async function leftBeforeTheAnswer() {
  const { fetch, requests } = server({ chunks: [frame(1, created)], end: "silence", wait: 900 });
  const { turn } = await import("/loader.js");
  const abort = new AbortController();
  const asked = post(fetch, {}, { signal: abort.signal }).catch((error) => error.name);
  await turn("hidden", "after");
  abort.abort();
  await turn("visible", "after");
  // The answer comes long after the tab is shown.
  await wait(1300);
  return [await asked, requests.length];
}

export async function readableRefusals(accept) {
  const told = (code, allow_retry) => ({ message: code, error: { code, message: code, allow_retry } });
  const answers = [
    { status: 409, json: told("thread_locked", false) },
    { status: 500, json: told("server_error", false) },
    { status: 503, json: told("draining", true) },
    { status: 502, html: "<h1>Bad gateway</h1>" },
  ];
  const seen = [];
  for (const answer of answers) {
    const { fetch } = server(answer);
    const headers = { ...ALONE, Accept: accept };
    for (const type of ["threads.create", "threads.list"]) {
      const body = JSON.stringify({ type, params: {} });
      const { response } = await post(fetch, { retrySeconds: 0 }, { headers, body });
      const text = await response.text();
      seen.push([response.status, text.startsWith("data: ") ? JSON.parse(text.slice(6)) : text[0]]);
    }
  }
  return seen;
}
