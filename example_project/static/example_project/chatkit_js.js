/** Set up OpenAI's ChatKit.js against this project's endpoint. */

import { createFetch, follow } from "../chatkit_images/chatkit-fetch.js";
import { byId } from "./dom.js";

const SCRIPT = "https://cdn.platform.openai.com/deployments/chatkit/chatkit.js";
const PATIENCE = 15_000;

const { endpoint, domainKey, uploads } = JSON.parse(byId("config").textContent);

let threadId = location.hash.slice(1) || null;
let answering = false;

/**
 * Show what comes of an answer that ChatKit.js does not follow itself: one that was on its
 * way before a reload, or that another page has asked for.
 */
async function look(chatkit) {
  if (answering || !threadId || document.hidden) return;
  answering = true;
  try {
    const events = await follow(endpoint, threadId);
    for await (const { type } of events ?? []) {
      if (type === "thread.item.done") await chatkit.fetchUpdates();
    }
    if (events) await chatkit.fetchUpdates();
  } finally {
    answering = false;
  }
}

function load() {
  const script = document.createElement("script");
  const loaded = new Promise((resolve, reject) => {
    script.addEventListener("load", resolve);
    script.addEventListener("error", reject);
  });
  script.src = SCRIPT;
  script.async = true;
  document.head.append(script);
  const late = new Promise((_resolve, reject) => setTimeout(reject, PATIENCE));
  // A script that is loaded may still define nothing.
  return Promise.race([loaded.then(() => customElements.whenDefined("openai-chatkit")), late]);
}

function showOffline() {
  byId("status").hidden = true;
  byId("offline").hidden = false;
}

/** Return which files, models and tools the server takes. */
async function composerOptions() {
  const response = await fetch(new URL("composer/", endpoint));
  if (!response.ok) throw new Error(`The server answered ${response.status}.`);
  return response.json();
}

const options = composerOptions().catch(() => ({ attachments: { enabled: true } }));

load().then(async () => {
  const chatkit = byId("chatkit");
  chatkit.setOptions({
    api: {
      url: endpoint,
      domainKey,
      fetch: createFetch({ eventSource: true }),
      uploadStrategy: uploads === "storage"
        ? { type: "two_phase" }
        : { type: "direct", uploadUrl: new URL("attachments/", endpoint).href },
    },
    composer: await options,
    initialThread: threadId,
  });
  // The open thread is in the address, where a reload finds it again.
  chatkit.addEventListener("chatkit.thread.change", ({ detail }) => {
    threadId = detail.threadId;
    history.replaceState(null, "", threadId ? `#${threadId}` : location.pathname);
  });
  chatkit.addEventListener("chatkit.response.start", () => { answering = true; });
  chatkit.addEventListener("chatkit.response.end", () => { answering = false; });
  chatkit.addEventListener("chatkit.thread.load.end", () => look(chatkit).catch(() => {}));
  document.addEventListener("visibilitychange", () => look(chatkit).catch(() => {}));
  byId("status").hidden = true;
  chatkit.hidden = false;
}, showOffline);
