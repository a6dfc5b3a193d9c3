/** Set up OpenAI's ChatKit.js against this project's endpoint. */

import { byId } from "./dom.js";

const SCRIPT = "https://cdn.platform.openai.com/deployments/chatkit/chatkit.js";
const PATIENCE = 15_000;

const { endpoint, domainKey } = JSON.parse(byId("config").textContent);

function csrfToken() {
  return document.cookie.match(/(?:^|;\s*)csrftoken=([^;]+)/)?.[1] ?? "";
}

/** ChatKit's requests, with what Django wants of a browser it knows. */
function chatKitFetch(input, init = {}) {
  const headers = new Headers(init.headers);
  headers.set("X-CSRFToken", csrfToken());
  return fetch(input, { ...init, headers, credentials: "same-origin" });
}

function load() {
  const script = document.createElement("script");
  const loaded = new Promise((resolve, reject) => {
    script.addEventListener("load", resolve);
    script.addEventListener("error", reject);
    setTimeout(reject, PATIENCE);
  });
  script.src = SCRIPT;
  script.async = true;
  document.head.append(script);
  return loaded.then(() => customElements.whenDefined("openai-chatkit"));
}

function showOffline() {
  byId("status").hidden = true;
  byId("offline").hidden = false;
}

load().then(() => {
  const chatkit = byId("chatkit");
  chatkit.setOptions({
    api: {
      url: endpoint,
      domainKey,
      fetch: chatKitFetch,
      uploadStrategy: { type: "direct", uploadUrl: new URL("attachments/", endpoint).href },
    },
    composer: { attachments: { enabled: true } },
  });
  byId("status").hidden = true;
  chatkit.hidden = false;
}, showOffline);
